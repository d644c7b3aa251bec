/** The embedded decision log: one node, one LMDB file, one owner. Each start is a new epoch. */
import type { Clock } from '../../ports/clock.ts';
import type { DecisionLog, LogMeta } from '../../ports/decision-log.ts';
import { type DirectoryLock, lockDirectory } from '../../store/directory-lock.ts';
import { exitOnFatal, type LmdbStore, type OnFatal, openLmdb } from '../../store/lmdb.ts';
import { metaKey } from '../../store/store-format.ts';
import { LocalLog } from '../local-log.ts';
import { LocalStore } from '../local-store.ts';
import { asLogError } from '../log-errors.ts';
import { inTransaction, type WantedMeta } from '../state.ts';
import { agreeOnMeta } from './meta.ts';

export interface EmbeddedLogOptions extends Omit<WantedMeta, 'shards'> {
  /** Made where it is missing. It belongs to this log alone. */
  readonly directory: string;
  readonly node: string;
  readonly url: string;
  readonly clock: Clock;
  /** Called once, when a write or flush failed. Default: says why on stderr, exits with 70. */
  readonly onFatal?: OnFatal;
}

/** The file's name in the log's directory. */
export const embeddedLogFile = 'decisions.mdb';

/** Rejects with DecisionLogError where the directory has an owner or an unreadable store. */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<DecisionLog> {
  const { directory, node, url, clock } = options;
  let lock: DirectoryLock | null = null;
  let lmdb: LmdbStore | null = null;
  try {
    lock = lockDirectory({ directory, purpose: `decision log of node ${node}`, clock });
    lmdb = openLmdb({ directory, file: embeddedLogFile, onFatal: options.onFatal ?? exitOnFatal });
    const meta = await begin(lmdb, options);
    const store = new LocalStore(meta, owned(lmdb, lock));
    // No one else can lead: a leader key from before is of a process that is gone.
    return new LocalLog({ store, node, url, takeover: true, clock });
  } catch (error) {
    await lmdb?.close();
    lock?.release();
    throw asLogError(error);
  }
}

/**
 * Checks what is there and ends the leadership of the process before. This is the first write, and
 * its flush covers the whole file: before it, a record could have been read from the page cache
 * that a killed predecessor had not flushed yet; after it, whatever is read is on disk. So it comes
 * before any answer.
 */
async function begin(lmdb: LmdbStore, wanted: WantedMeta): Promise<LogMeta> {
  // On a snapshot first: what cannot be read must not be written to either.
  lmdb.snapshot((keys) => agreeOnMeta(keys, wanted));
  return lmdb.transact((keys) => {
    const meta = agreeOnMeta(keys, wanted);
    keys.put(metaKey, meta);
    inTransaction(keys, (transaction) => {
      for (let shard = 0; shard < meta.shards; shard += 1)
        transaction.change(shard, { leader: null });
    });
    return meta;
  });
}

function owned(lmdb: LmdbStore, lock: DirectoryLock): LmdbStore {
  return {
    transact: (body) => lmdb.transact(body),
    snapshot: (body) => lmdb.snapshot(body),
    close: async () => {
      await lmdb.close();
      lock.release();
    },
  };
}
