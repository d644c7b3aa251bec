/** The embedded decision log: one node, one LMDB file, one owner. Each start is a new epoch. */
import { requestShardFunction } from '../../core/request-shard.ts';
import type { Clock } from '../../ports/clock.ts';
import type { DecisionLog, LogMeta } from '../../ports/decision-log.ts';
import type { ReadableKeys, WritableKeys } from '../../store/key-value.ts';
import type { OnFatal } from '../../store/lmdb.ts';
import { openOwnedStore } from '../../store/owned-store.ts';
import { metaKey, readHeader, type StoreHeader, unreadable } from '../../store/store-format.ts';
import { LocalLog } from '../local-log.ts';
import { LocalStore } from '../local-store.ts';
import { asLogError } from '../log-errors.ts';
import {
  assertMadeWith,
  inTransaction,
  logHeader,
  newMeta,
  type StoredMeta,
  type WantedMeta,
} from '../state.ts';

export interface EmbeddedLogOptions extends Omit<WantedMeta, 'shards'> {
  /** Made where it is missing. It belongs to this log alone. */
  readonly directory: string;
  readonly node: string;
  readonly url: string;
  readonly clock: Clock;
  /** Called once, when a write or flush failed. Default: says why on stderr, exits with 70. */
  readonly onFatal?: OnFatal;
}

/** 2: a log may lie beside the file (ADR 5), which a program that knows only 1 would leave out. */
export const embeddedHeader: Pick<StoredMeta, 'kind'> & StoreHeader = {
  ...logHeader,
  formatVersion: 2,
};

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
    const decisions = new LocalStore(meta, store, clock);
    return new LocalLog({ store: decisions, node, url, takeover: true, clock });
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

/** The meta of the store, or of a new one. Throws where stored and wanted contradict each other. */
function agreeOnMeta(keys: ReadableKeys, wanted: WantedMeta): StoredMeta {
  const header = readHeader(keys, embeddedHeader);
  if (header === null) return { ...newMeta(wanted), ...embeddedHeader };
  const stored = header as unknown as StoredMeta;
  const whole =
    typeof stored.cluster === 'string' &&
    typeof stored.clusterId === 'string' &&
    stored.shards === 1 &&
    stored.requestShard === requestShardFunction &&
    Number.isInteger(stored.requestWindowMs) &&
    Number.isInteger(stored.generation) &&
    typeof stored.txidSecret === 'string';
  if (!whole) throw unreadable(embeddedHeader);
  assertMadeWith(stored, wanted, { log: 'The decision log', otherwise: 'with an empty directory' });
  return { ...stored, ...embeddedHeader };
}
