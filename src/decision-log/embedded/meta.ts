import { requestShardFunction } from '../../core/request-shard.ts';
import type { ReadableKeys } from '../../store/key-value.ts';
import { readHeader, unreadable } from '../../store/store-format.ts';
import { assertMadeWith, logHeader, newMeta, type StoredMeta, type WantedMeta } from '../state.ts';

/** The meta of the store, or of a new one. Throws where stored and wanted contradict each other. */
export function agreeOnMeta(keys: ReadableKeys, wanted: WantedMeta): StoredMeta {
  const header = readHeader(keys, logHeader);
  if (header === null) return newMeta(wanted);
  const stored = header as unknown as StoredMeta;
  const whole =
    typeof stored.cluster === 'string' &&
    typeof stored.clusterId === 'string' &&
    stored.shards === 1 &&
    stored.requestShard === requestShardFunction &&
    Number.isInteger(stored.requestWindowMs) &&
    Number.isInteger(stored.generation) &&
    typeof stored.txidSecret === 'string';
  if (!whole) throw unreadable(logHeader);
  assertMadeWith(stored, wanted, { log: 'The decision log', otherwise: 'with an empty directory' });
  return stored;
}
