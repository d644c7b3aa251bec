/** The nodes of the cluster as a page can open them. */
import type { InfoReply, LeaderInfo, NodeInfo } from '../../core/messages.ts';

/** `ws://host:port` -> its console. Null: the address is none that a browser could open. */
export function consoleUrl(nodeUrl: string, hash: string): string | null {
  if (!URL.canParse(nodeUrl)) return null;
  const url = new URL(nodeUrl);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') return null;
  const scheme = url.protocol === 'wss:' ? 'https' : 'http';
  return `${scheme}://${url.host}/console/${hash}`;
}

/** Each once, by name. */
export function leadersIn(leaders: readonly (LeaderInfo | null)[]): readonly NodeInfo[] {
  const byName = new Map<string, NodeInfo>();
  for (const leader of leaders) {
    if (leader !== null) byName.set(leader.node, { node: leader.node, url: leader.url });
  }
  return [...byName.values()];
}

/** Those of the topology, and who leads without being in it. */
export function nodesIn(
  nodes: readonly NodeInfo[],
  leaders: readonly (LeaderInfo | null)[],
): readonly NodeInfo[] {
  const byName = new Map([...leadersIn(leaders), ...nodes].map((each) => [each.node, each]));
  return [...byName.values()].sort((a, b) => (a.node < b.node ? -1 : 1));
}

/**
 * Who leads each shard, by what the nodes say now. What one heard last it goes on naming where it
 * cannot know any more, for clients; of these it says here that it is sure of none.
 */
export function leadersNow(
  infos: readonly { readonly reply: Pick<InfoReply, 'shards'> }[],
): readonly (LeaderInfo | null)[] {
  const leaders: (LeaderInfo | null)[] = [];
  for (const { reply } of infos) {
    for (const { shard, leader } of reply.shards) {
      const known = leaders[shard] ?? null;
      // Of two the later: an epoch of the same shard sorts by its age.
      leaders[shard] =
        known !== null && (leader === null || leader.epoch < known.epoch) ? known : leader;
    }
  }
  return leaders;
}

export function leaderlessIn(leaders: readonly (LeaderInfo | null)[]): readonly number[] {
  return leaders.flatMap((leader, shard) => (leader === null ? [shard] : []));
}

/** `0-3, 7` */
export function ranges(shards: readonly number[]): string {
  const sorted = [...shards].sort((a, b) => a - b);
  const parts: [number, number][] = [];
  for (const shard of sorted) {
    const last = parts.at(-1);
    if (last !== undefined && last[1] === shard - 1) last[1] = shard;
    else parts.push([shard, shard]);
  }
  return parts.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(', ');
}
