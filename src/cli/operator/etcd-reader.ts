/** What an operator does at etcd itself, with no coordinator in between. */
import { type EtcdReader, openEtcdReader } from '../../decision-log/etcd/reader.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { systemClock } from '../../system/clock.ts';
import { systemRandom } from '../../system/random.ts';
import { SecretFileError } from '../../system/secret-file.ts';
import { CommandError } from '../command-error.ts';
import type { Io } from '../io.ts';
import { etcdAccess } from '../open-log.ts';
import type { EtcdFlags } from '../options.ts';

export interface EtcdContext extends EtcdFlags {
  readonly io: Io;
  readonly json?: true;
  readonly yes?: true;
}

export async function withEtcdReader<T>(
  context: EtcdContext,
  body: (reader: EtcdReader) => Promise<T>,
): Promise<T> {
  const access = await etcdAccess(context).catch((error: unknown) => {
    if (error instanceof SecretFileError) throw error;
    throw new CommandError('INPUT', `A file cannot be read: ${(error as Error).message}.`, {
      cause: error,
    });
  });
  const { etcd: endpoints, cluster } = context;
  const ports = { clock: systemClock, random: systemRandom };
  let reader: EtcdReader | null = null;
  try {
    reader = await openEtcdReader({ endpoints, cluster, ...ports, ...access });
    return await body(reader);
  } catch (error) {
    if (!(error instanceof DecisionLogError)) throw error;
    throw new CommandError('UNREACHABLE', error.message, { cause: error });
  } finally {
    await reader?.close();
  }
}
