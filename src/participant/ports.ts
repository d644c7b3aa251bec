/** The adapters of a participant that is given no others, each loaded only where it is used. */
import type { LmdbJournalOptions } from '../journal/lmdb/journal.ts';
import type { Journal } from '../ports/journal.ts';
import type { LogReader } from './direct-log.ts';
import { openerFor } from './journal-opener.ts';
import type { EtcdDecisionLog, ServeBaseOptions } from './options.ts';
import type { ParticipantPorts } from './participant.ts';

/** `failed`: a write of the journal failed. Without it that ends the process. */
export async function openPorts(
  settings: ServeBaseOptions,
  failed: ((error: Error) => void) | undefined,
): Promise<ParticipantPorts & { close(): Promise<void> }> {
  const clock = settings.clock ?? (await import('../system/clock.ts')).systemClock;
  const random = settings.random ?? (await import('../system/random.ts')).systemRandom;
  const dialer =
    settings.dialer ??
    (await import('../transport/websocket/connect.ts')).webSocketDialer({
      clock,
      readers: (await import('../wire/readers.ts')).readers['from-node'],
      tls: settings.tls,
    });
  const { journal, dataDirectory, decisionLog } = settings;
  const openReader =
    decisionLog === undefined
      ? null
      : (clusterId: string | null) => openEtcd(decisionLog.etcd, { clock, random, clusterId });
  const { runOf } = await import('../system/run.ts');
  const ports = { dialer, clock, random, run: runOf(clock, random), openReader };
  if (journal !== undefined) return { ...ports, journal, close: async () => undefined };
  const opened = await openJournal(settings, {
    directory: String(dataDirectory),
    clock,
    random,
    ...(failed === undefined ? {} : { onFatal: failed }),
  });
  return { ...ports, journal: opened, close: () => opened.close() };
}

async function openEtcd(
  { resolve: _, ...access }: EtcdDecisionLog,
  ports: Pick<ParticipantPorts, 'clock' | 'random'> & { readonly clusterId: string | null },
): Promise<LogReader> {
  const { openEtcdReader } = await loadEtcd();
  return openEtcdReader({ ...access, ...ports });
}

/** The package without native code leaves etcd's client out. */
async function loadEtcd(): Promise<typeof import('../decision-log/etcd/reader.ts')> {
  try {
    return await import('../decision-log/etcd/reader.ts');
  } catch (error) {
    if (
      !/ERR_MODULE_NOT_FOUND|MODULE_NOT_FOUND/.test(String((error as NodeJS.ErrnoException).code))
    )
      throw error;
    const text =
      'decisionLog needs the client of etcd, which is not installed here: take verdict/participant of the package verdict, or leave decisionLog out.';
    throw new TypeError(text, { cause: error });
  }
}

async function openJournal(
  settings: ServeBaseOptions,
  options: LmdbJournalOptions,
): Promise<Journal> {
  const open = await openerFor(settings, options.directory);
  const { encryption, sharedResource } = settings;
  const sealed = encryption !== undefined && {
    cipher: (await import('../system/payload-cipher.ts')).payloadCipher(encryption),
  };
  return open({
    ...options,
    ...sealed,
    shared: sharedResource !== undefined,
  });
}
