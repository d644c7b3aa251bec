/** One transaction over time: a bar for each branch, cut where it voted and where it was done. */
import type { ExplainedBranch, Explanation } from '../../core/messages.ts';

export type Part = 'queued' | 'preparing' | 'voted' | 'finishing' | 'ahead';

export interface Segment {
  readonly part: Part;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Row {
  readonly branch: ExplainedBranch;
  /** Empty: its times are not known. */
  readonly segments: readonly Segment[];
}

export interface Waterfall {
  readonly rows: readonly Row[];
  readonly decidedAfterMs: number | null;
  /** The right end. */
  readonly spanMs: number;
  /**
   * Where what took little time gives way to a long wait: both are to be seen, each to a scale of
   * its own. Null: one scale for all.
   */
  readonly breakMs: number | null;
}

/** Of the width, what comes before the break. */
const shareBefore = 0.6;
/** A wait longer than that many times what was before it. */
const longFactor = 4;

/** Where a time lies, from 0 to 1. */
export function placeOf({ spanMs, breakMs }: Waterfall, ms: number): number {
  if (breakMs === null) return ms / spanMs;
  if (ms <= breakMs) return (ms / breakMs) * shareBefore;
  return shareBefore + ((ms - breakMs) / (spanMs - breakMs)) * (1 - shareBefore);
}

const done: ReadonlySet<string> = new Set(['committed', 'rolled-back', 'readonly', 'refused']);

export function waterfallOf(explanation: Explanation): Waterfall {
  const { branches, decidedAfterMs, ageMs } = explanation;
  const isOver = explanation.state === 'COMMITTED' || explanation.state === 'ABORTED';
  const known = branches.flatMap(({ sentAfterMs, votedAfterMs, settledAfterMs }) =>
    [sentAfterMs, votedAfterMs, settledAfterMs].filter((each) => each !== undefined),
  );
  const last = Math.max(0, decidedAfterMs ?? 0, ...known);
  const nowMs = isOver ? last : Math.max(last, ageMs ?? 0);
  const breakMs = breakOf(
    [...known, ...(decidedAfterMs === undefined ? [] : [decidedAfterMs])],
    nowMs,
  );
  return {
    rows: branches.map((branch) => ({
      branch,
      segments: segmentsOf(branch, { nowMs, decidedAfterMs }),
    })),
    decidedAfterMs: decidedAfterMs ?? null,
    spanMs: Math.max(nowMs, 1),
    breakMs,
  };
}

/** After the last that happened before the longest wait, where that is long. */
function breakOf(known: readonly number[], nowMs: number): number | null {
  const times = [...known].filter((ms) => ms > 0).sort((one, other) => one - other);
  let found: { readonly afterMs: number; readonly waitMs: number } | null = null;
  for (const [index, afterMs] of times.entries()) {
    const waitMs = (times[index + 1] ?? nowMs) - afterMs;
    if (waitMs > longFactor * afterMs && waitMs > (found?.waitMs ?? 0)) found = { afterMs, waitMs };
  }
  // With some room, so that what happened last is not at the break itself.
  return found === null ? null : found.afterMs * 1.1;
}

function segmentsOf(
  { sentAfterMs, votedAfterMs, settledAfterMs, state }: ExplainedBranch,
  { nowMs, decidedAfterMs }: { nowMs: number; decidedAfterMs: number | undefined },
): Segment[] {
  if (sentAfterMs === undefined) {
    return state === 'enlisted' || state === 'unreachable'
      ? cut([['queued', 0, decidedAfterMs ?? nowMs]])
      : [];
  }
  const voted = votedAfterMs ?? settledAfterMs ?? decidedAfterMs ?? nowMs;
  const parts: [Part, number, number][] = [
    ['queued', 0, sentAfterMs],
    ['preparing', sentAfterMs, voted],
  ];
  if (votedAfterMs !== undefined && !(done.has(state) && settledAfterMs === undefined)) {
    const decided = Math.min(decidedAfterMs ?? nowMs, settledAfterMs ?? nowMs);
    parts.push(['voted', votedAfterMs, decided]);
    if (decidedAfterMs !== undefined) {
      parts.push(['finishing', Math.max(votedAfterMs, decidedAfterMs), settledAfterMs ?? nowMs]);
    }
  }
  return cut(parts);
}

function cut(parts: readonly [Part, number, number][]): Segment[] {
  return parts
    .filter(([, fromMs, toMs]) => toMs > fromMs)
    .map(([part, fromMs, toMs]) => ({ part, fromMs, toMs }));
}
