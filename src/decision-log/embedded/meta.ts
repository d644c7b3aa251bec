import { requestShardFunction } from '../../core/request-shard.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import type { ReadableKeys } from '../../store/key-value.ts';
import { readHeader, unreadable } from '../../store/store-format.ts';
import { systemRandom } from '../../system/random.ts';
import { newTxidSecret } from '../../system/txid-seal.ts';
import { logHeader, newMeta, type StoredMeta } from '../state.ts';

/** What a start asks for; what is left out is taken as the store has it. */
export interface WantedMeta {
  /** Default for a new store: `verdict`. */
  readonly cluster?: string;
  /** How long a request id is remembered, fixed when the store is made. Default: 2 minutes. */
  readonly requestWindowMs?: number;
}

/** The meta of the store, or of a new one. Throws where stored and wanted contradict each other. */
export function agreeOnMeta(keys: ReadableKeys, wanted: WantedMeta): StoredMeta {
  const header = readHeader(keys, logHeader);
  if (header === null) return newMeta({ ...wanted, txidSecret: newTxidSecret(systemRandom) });
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
  demand('cluster', stored.cluster, wanted.cluster);
  demand('requestWindowMs', stored.requestWindowMs, wanted.requestWindowMs);
  return stored;
}

function demand(name: string, stored: string | number, wanted: string | number | undefined): void {
  if (wanted === undefined || wanted === stored) return;
  throw new DecisionLogError(
    `The decision log was made with ${name} ${stored}, which cannot change; ${wanted} was asked for. Leave the option out, or start with an empty directory.`,
  );
}
