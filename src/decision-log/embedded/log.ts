/** The embedded decision log: one node, one LMDB file, one owner. Each start is a new epoch. */
import type { Clock } from '../../ports/clock.ts';
import type { DecisionLog, LogMeta } from '../../ports/decision-log.ts';
import type { WritableKeys } from '../../store/key-value.ts';
import type { OnFatal } from '../../store/lmdb.ts';
import { openOwnedStore } from '../../store/owned-store.ts';
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
  const { directory, node, url, clock, onFatal } = options;
  try {
    const { store, begun: meta } = await openOwnedStore({
      directory,
      file: embeddedLogFile,
      purpose: `decision log of node ${node}`,
      clock,
      onFatal,
      check: (keys) => agreeOnMeta(keys, options),
      begin: (keys) => begin(keys, options),
    });
    // No one else can lead: a leader key from before is of a process that is gone.
    return new LocalLog({ store: new LocalStore(meta, store), node, url, takeover: true, clock });
  } catch (error) {
    throw asLogError(error);
  }
}

/** Checks what is there and ends the leadership of the process before. */
function begin(keys: WritableKeys, wanted: WantedMeta): LogMeta {
  const meta = agreeOnMeta(keys, wanted);
  keys.put(metaKey, meta);
  inTransaction(keys, (transaction) => {
    for (let shard = 0; shard < meta.shards; shard += 1)
      transaction.change(shard, { leader: null });
  });
  return meta;
}
