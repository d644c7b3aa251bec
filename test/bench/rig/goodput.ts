/** What becomes of transactions that are offered whatever comes: committed, refused, how late. */
import type { Epoch } from '../../../src/core/txid.ts';
import { latenciesOf } from '../load.ts';

export interface Refusal {
  readonly code: string;
  readonly retryAfterMs?: number | undefined;
}

export interface Ended {
  /** From the beginning of the load. */
  readonly dueMs: number;
  readonly endedMs: number;
  /** Null: it was committed. */
  readonly refusal: Refusal | null;
  /** Under which it was committed. */
  readonly epoch: Epoch | null;
}

export interface Goodput {
  readonly committedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of all that were due in the window. */
  readonly refusedPart: number;
  /** Of these, who was told when to come again. */
  readonly toldPart: number;
  readonly refusals: Readonly<Record<string, number>>;
  readonly leaderChanges: number;
}

/**
 * Commits that were told of in the window are the goodput, whenever they were due: the beginning,
 * when queues are still empty, and the end, when no more comes, are outside of it. Latency is of
 * those that were due in it and committed, refusals are of those that were due in it.
 */
export function goodputOf(
  all: readonly Ended[],
  { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
): Goodput {
  const isIn = (atMs: number): boolean => atMs >= fromMs && atMs < toMs;
  const committed = all.filter(({ refusal }) => refusal === null);
  const due = all.filter(({ dueMs }) => isIn(dueMs));
  const refused = due.flatMap(({ refusal }) => refusal ?? []);
  const refusals: Record<string, number> = {};
  for (const { code } of refused) refusals[code] = (refusals[code] ?? 0) + 1;
  const latencies = due.flatMap(({ dueMs, endedMs, refusal }) =>
    refusal === null ? [endedMs - dueMs] : [],
  );
  const told = refused.filter(({ retryAfterMs }) => retryAfterMs !== undefined).length;
  const epochs = new Set(committed.map(({ epoch }) => epoch));
  const { p50Ms, p99Ms } = latenciesOf(latencies);
  return {
    committedPerSecond:
      (committed.filter(({ endedMs }) => isIn(endedMs)).length / (toMs - fromMs)) * 1_000,
    p50Ms,
    p99Ms,
    refusedPart: due.length === 0 ? 0 : refused.length / due.length,
    toldPart: refused.length === 0 ? 1 : told / refused.length,
    refusals,
    leaderChanges: Math.max(0, epochs.size - 1),
  };
}
