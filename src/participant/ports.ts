/** The adapters of a participant that is given no others, each loaded only where it is used. */
import type { Journal } from '../ports/journal.ts';
import type { LogReader } from './direct-log.ts';
import type { EtcdDecisionLog, ServeBaseOptions } from './options.ts';
import type { ParticipantPorts } from './participant.ts';

export async function openPorts(
  settings: ServeBaseOptions,
): Promise<ParticipantPorts & { close(): Promise<void> }> {
  const clock = settings.clock ?? (await import('../system/clock.ts')).systemClock;
  const random = settings.random ?? (await import('../system/random.ts')).systemRandom;
  const dialer =
    settings.dialer ??
    (await import('../transport/websocket/connect.ts')).webSocketDialer({
      clock,
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
  const opened = await openJournal(settings, { directory: String(dataDirectory), clock, random });
  return { ...ports, journal: opened, close: () => opened.close() };
}

async function openEtcd(
  { resolve: _, ...access }: EtcdDecisionLog,
  ports: Pick<ParticipantPorts, 'clock' | 'random'> & { readonly clusterId: string | null },
): Promise<LogReader> {
  const { openEtcdReader } = await import('../decision-log/etcd/reader.ts');
  return openEtcdReader({ ...access, ...ports });
}

async function openJournal(
  settings: ServeBaseOptions,
  options: Pick<ParticipantPorts, 'clock' | 'random'> & { readonly directory: string },
): Promise<Journal> {
  const { loadStore } = await import('../store/native-package.ts');
  const { openLmdbJournal } = await loadStore(() => import('../journal/lmdb/journal.ts'));
  const { encryption, onFatal, sharedResource } = settings;
  const sealed = encryption !== undefined && {
    cipher: (await import('../system/payload-cipher.ts')).payloadCipher(encryption),
  };
  return openLmdbJournal({
    ...options,
    ...sealed,
    shared: sharedResource !== undefined,
    ...(onFatal === undefined ? {} : { onFatal }),
  });
}
