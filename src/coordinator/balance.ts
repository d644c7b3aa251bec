/** Who leads too much: pure, so that every node comes to the same answer from the same board. */
import type { LeaderInfo, NodeInfo } from '../core/messages.ts';

/**
 * The shard that this node should give up, or null. A node gives one up when another live node
 * leads at least two fewer: then both are nearer to even, and it cannot swing back. Of several such
 * nodes only the one that leads most (of these the first by name) acts, or a node that joins would
 * be handed more than its share at once.
 */
export function overloaded(options: {
  readonly node: string;
  readonly nodes: readonly NodeInfo[];
  readonly leaders: readonly (LeaderInfo | null)[];
}): number | null {
  const { node: own, nodes, leaders } = options;
  const counts = new Map(nodes.map(({ node }) => [node, 0]));
  for (const leader of leaders) {
    // Someone is just taking it: wait until all are led.
    if (leader === null) return null;
    counts.set(leader.node, (counts.get(leader.node) ?? 0) + 1);
  }
  const ranked = [...counts].sort(([a, led], [b, other]) => other - led || (a < b ? -1 : 1));
  const most = ranked[0];
  const fewest = ranked.at(-1);
  if (most === undefined || fewest === undefined || most[0] !== own) return null;
  if (most[1] - fewest[1] < 2) return null;
  return leaders.findLast((leader) => leader?.node === own)?.shard ?? null;
}
