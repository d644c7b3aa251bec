/** Who leads too much: pure, so that every node comes to the same answer from the same board. */
import type { LeaderInfo, NodeInfo } from '../core/messages.ts';

/** At most: each is a takeover, and a term that recovers. */
const maxAtOnce = 8;

/**
 * The shards that this node should give up now, the one to begin with first. A node gives one up
 * when another live node leads at least two fewer: then both are nearer to even, and it cannot
 * swing back. Of several such nodes only the one that leads most (of these the first by name) acts,
 * or a node that joins would be handed more than its share at once.
 *
 * Far from even it may be more than one, a quarter of the difference: where that other node takes
 * them all, it still leads fewer than this one. The caller gives all but the first only where that
 * costs no one anything.
 */
export function overloaded(options: {
  readonly node: string;
  readonly nodes: readonly NodeInfo[];
  readonly leaders: readonly (LeaderInfo | null)[];
}): readonly number[] {
  const { node: own, nodes, leaders } = options;
  const counts = new Map(nodes.map(({ node }) => [node, 0]));
  for (const leader of leaders) {
    // Someone is just taking it: wait until all are led.
    if (leader === null) return [];
    counts.set(leader.node, (counts.get(leader.node) ?? 0) + 1);
  }
  const ranked = [...counts].sort(([a, led], [b, other]) => other - led || (a < b ? -1 : 1));
  const most = ranked[0];
  const fewest = ranked.at(-1);
  if (most === undefined || fewest === undefined || most[0] !== own) return [];
  const difference = most[1] - fewest[1];
  if (difference < 2) return [];
  const count = Math.min(maxAtOnce, Math.max(1, Math.floor(difference / 4)));
  const led = leaders.filter((leader) => leader?.node === own);
  return led
    .slice(-count)
    .reverse()
    .flatMap((leader) => leader?.shard ?? []);
}
