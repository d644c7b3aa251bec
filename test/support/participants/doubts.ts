/** How long participants were in doubt, for people to read: nothing is asserted of it. */
import type { Client } from '../../../src/client.ts';
import type { RecordedCall } from '../clients/history.ts';
import type { PartitionCluster } from '../nodes/partition-cluster.ts';
import { eventually, pause } from '../process/child.ts';
import type { DoubtOver } from './participant-process.ts';

/** Of the doubts of all participants that ended within the time, by the wall clock. */
export function doubtsBetween(
  cluster: PartitionCluster,
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): DoubtOver[] {
  return cluster.participants
    .flatMap((participant) => participant.doubts())
    .filter(({ endedAtMs }) => endedAtMs >= fromMs && endedAtMs <= toMs);
}

/** Prints what `doubts` lasted, under the name of the case. */
export function printDoubts(name: string, lastedMs: readonly number[]): void {
  const sorted = [...lastedMs].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
  console.log(
    `in doubt, ${name}: ${sorted.length} branches, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms`,
  );
}

/**
 * Heals, and tells how long after it the branches that were in doubt then stayed so.
 * Those that came to be in doubt later are not counted.
 */
export async function healAndMeasure(cluster: PartitionCluster, name: string): Promise<void> {
  const fromMs = Date.now();
  await cluster.heal();
  await pause(1_500);
  const ended = doubtsBetween(cluster, { fromMs, toMs: Date.now() });
  const older = ended.filter(({ doubtMs, endedAtMs }) => endedAtMs - doubtMs <= fromMs);
  printDoubts(
    `${name}, after heal`,
    older.map(({ endedAtMs }) => endedAtMs - fromMs),
  );
}

/** Begins a call on which `a` votes at once and `b` later; resolves when `a` has voted. */
export async function firstInDoubt(
  cluster: PartitionCluster,
  client: Client,
  bTakesMs: number,
): Promise<{ readonly ended: Promise<RecordedCall> }> {
  const ended = cluster.history.transact(client, { a: {}, b: { delayMs: bTakesMs } });
  await eventually(
    () => (cluster.participant('a').state().journalOpen.length > 0 ? true : null),
    () => 'a to vote',
  );
  // The vote is durable, and on its way.
  await pause(30);
  return { ended };
}

/** A doubt of `a` that ended since, once there is one. */
export async function doubtOfFirst(cluster: PartitionCluster, sinceMs: number): Promise<DoubtOver> {
  const first = cluster.participant('a');
  return eventually(
    () => first.doubts().find(({ endedAtMs }) => endedAtMs >= sinceMs) ?? null,
    () => `the doubt of a to end:\n${first.child.lines.slice(-8).join('\n')}`,
  );
}
