import type { CoordinatorOptions } from '../core/coordinator-options.ts';
import type { LeaderInfo, NodeInfo, Welcome } from '../core/messages.ts';
import type { DecisionLog } from '../ports/decision-log.ts';
import { maxLockKeyBytes } from '../wire/limits.ts';

export interface Welcoming {
  readonly node: string;
  readonly log: Pick<DecisionLog, 'meta'>;
  readonly options: CoordinatorOptions;
  readonly leaders: readonly (LeaderInfo | null)[];
  readonly nodes: readonly NodeInfo[];
}

/** What a peer is told of the cluster, and of the limits that it is held to, once it is let in. */
export function welcomeOf({ node, log, options, leaders, nodes }: Welcoming): Welcome {
  return {
    type: 'welcome',
    node,
    cluster: log.meta.cluster,
    clusterId: log.meta.clusterId,
    shards: log.meta.shards,
    leaders,
    nodes,
    limits: {
      maxFrameBytes: options.maxFrameBytes,
      maxDepth: options.maxDepth,
      maxBranches: options.maxBranches,
      maxLocks: options.maxLocks,
      maxLockKeyBytes,
      maxLockWaiters: options.maxLockWaiters,
      maxRecordBytes: options.maxRecordBytes,
      maxTimeoutMs: options.maxTransactionTimeoutMs,
      maxTransactions: options.maxTransactions,
      maxRequests: options.maxRequests,
      maxConnectionsPerAddress: options.maxConnectionsPerAddress,
      maxBufferedBytes: options.maxBufferedBytes,
      maxInputBytes: options.maxInputBytes,
      maxOutputBytes: options.maxOutputBytes,
      maxHeldBytes: options.maxHeldBytes,
    },
    requestWindowMs: log.meta.requestWindowMs,
    heartbeatMs: options.heartbeatMs,
    understands: ['explain'],
  };
}
