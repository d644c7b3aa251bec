import type { Epoch } from '../core/txid.ts';
import { DecisionLogError, LeadershipLostError, type LogMeta } from '../ports/decision-log.ts';
import { asErrorOf } from '../store/operator-error.ts';

/** An error of a store's operation as the port's callers know them. */
export function asLogError(error: unknown): unknown {
  return error instanceof LeadershipLostError ? error : asErrorOf(DecisionLogError, error);
}

export function closedError(): DecisionLogError {
  return new DecisionLogError('The decision log is closed. Open it again to use it.');
}

export function leadershipLost(
  { shard, epoch }: { readonly shard: number; readonly epoch: Epoch },
  why: string,
): LeadershipLostError {
  return new LeadershipLostError(
    `The leadership of shard ${shard} under epoch ${epoch} is over: ${why}. Read the log before saying anything about what was in flight.`,
  );
}

export function assertShard(meta: Pick<LogMeta, 'cluster' | 'shards'>, shard: number): void {
  if (Number.isInteger(shard) && shard >= 0 && shard < meta.shards) return;
  throw new DecisionLogError(
    `There is no shard ${shard}: cluster ${meta.cluster} has ${meta.shards}. The txid is of another cluster, or wrong.`,
  );
}
