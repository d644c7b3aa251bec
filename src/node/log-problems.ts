/** What this node sees of its decision log that someone has to mend. */
import type { DecisionLog } from '../ports/decision-log.ts';

interface Seen {
  readonly log: Pick<DecisionLog, 'lease' | 'isConfirmed' | 'meta'>;
  readonly nowMs: number;
  readonly startedAtMs: number;
  /** By shard, since when no one leads it, as far as this node was told. */
  readonly unledSinceMs: ReadonlyMap<number, number>;
}

/** An election is over long before, also one that comes after a lease. */
const unledLeases = 3;

/** None within the first lease of a node: it has had no time to hold one. */
export function logProblems({ log, nowMs, startedAtMs, unledSinceMs }: Seen): string[] {
  const lease = log.lease?.() ?? null;
  if (lease === null || nowMs - startedAtMs < lease.validMs) return [];
  const shards = Array.from({ length: log.meta.shards }, (_, shard) => shard);
  const silent = shards.filter((shard) => !log.isConfirmed(shard));
  const isHeld = lease.ageMs !== null && lease.ageMs <= lease.validMs;
  if (!isHeld || silent.length === shards.length) {
    const which = silent.length > 0 ? silent : shards;
    return [cutOffText(which.length === shards.length ? null : which)];
  }
  const unled = shards.filter((shard) => {
    const sinceMs = unledSinceMs.get(shard);
    return sinceMs !== undefined && nowMs - sinceMs > unledLeases * lease.validMs;
  });
  return unled.length === 0 ? [] : [unledText(unled)];
}

/** Null: of all shards. */
function cutOffText(shards: readonly number[] | null): string {
  const [etcd, what] =
    shards === null
      ? ['etcd', 'it can lead nothing, and cannot be sure who leads']
      : [
          `the etcd of ${shardsText(shards)}`,
          'it can lead none of them, and cannot be sure who leads them',
        ];
  return `This node holds no lease in ${etcd}, so ${what}. That etcd does not answer it, or has no quorum (a majority of its members): look at them (verdict doctor --etcd ...) and at the network to them. Do not restart the nodes: they go on by themselves when it is back. The log of this node has the last error.`;
}

function unledText(shards: readonly number[]): string {
  return `No one leads ${shardsText(shards)}, though this node reaches etcd. Perhaps etcd takes no writes (an alarm, such as NOSPACE), or no node that may lead is up: see verdict doctor --etcd ... The log of this node says why it does not take over.`;
}

function shardsText(shards: readonly number[]): string {
  const named = shards.slice(0, 20).join(', ');
  const more = shards.length > 20 ? ` and ${shards.length - 20} others` : '';
  return `${shards.length === 1 ? 'shard' : 'shards'} ${named}${more}`;
}
