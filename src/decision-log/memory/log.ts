import type { Clock } from '../../ports/clock.ts';
import type { DecisionLog } from '../../ports/decision-log.ts';
import { LocalLog } from '../local-log.ts';
import type { MemoryLogStore } from './store.ts';

/**
 * A node's view of a decision log in memory: for tests, the simulation, and the library mode of
 * those who need no durability.
 */
export function openMemoryLog(options: {
  readonly store: MemoryLogStore;
  readonly node: string;
  readonly url: string;
  /** Take a shard from the node that leads it. Default: wait until it is free. */
  readonly takeover?: boolean;
  readonly clock: Clock;
}): DecisionLog {
  const { store, node, url, clock } = options;
  return new LocalLog({
    store,
    board: store.board,
    nodes: store.nodes,
    retired: store.retired,
    meta: store.meta,
    node,
    url,
    takeover: options.takeover ?? false,
    clock,
  });
}
