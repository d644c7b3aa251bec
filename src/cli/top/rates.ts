/** From what a node counted since its start to what happened between two readings of it. */
import { type Phase, phases } from '../../core/figures.ts';
import type { StatsReply } from '../../core/messages.ts';

export interface StatsReading {
  readonly stats: StatsReply;
  /** By the asking side's monotonic clock: when it was asked, and when it had answered. */
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
}

/** How often something happened, and how long it took. No number is negative. */
export interface Activity {
  readonly seconds: number;
  readonly endings: Readonly<Record<string, number>>;
  readonly phases: Readonly<Record<Phase, readonly number[]>>;
  readonly bucketsMs: readonly number[];
  /** The node was started in between: this is what it counted since. */
  readonly isAnew: boolean;
}

/** Null: no time has passed between them. */
export function activity(before: StatsReading, after: StatsReading): Activity | null {
  const isAnew = wasStarted(before, after);
  const from = isAnew ? null : before.stats;
  const { stats } = after;
  const seconds = (stats.atMs - (from?.atMs ?? 0)) / 1_000;
  if (seconds <= 0) return null;
  const endings: Record<string, number> = {};
  for (const [ending, count] of Object.entries(stats.endings)) {
    const more = count - (from?.endings[ending] ?? 0);
    if (more > 0) endings[ending] = more;
  }
  const between = (phase: Phase): readonly number[] =>
    stats.phases[phase].counts.map((count, index) =>
      Math.max(0, count - (from?.phases[phase].counts[index] ?? 0)),
    );
  return {
    seconds,
    endings,
    phases: Object.fromEntries(
      phases.map((phase) => [phase, between(phase)]),
    ) as Activity['phases'],
    bucketsMs: stats.bucketsMs,
    isAnew,
  };
}

/**
 * One that was started after it gave `before` cannot be older than the time since. One that was not
 * is older by what it had lived before, but for the time of an answer.
 */
function wasStarted(before: StatsReading, after: StatsReading): boolean {
  if (after.stats.atMs < before.stats.atMs || hasLess(before.stats, after.stats)) return true;
  return (
    after.stats.atMs !== before.stats.atMs &&
    after.stats.atMs <= after.receivedAtMs - before.sentAtMs
  );
}

/** Counts only grow while a process lives. */
function hasLess(before: StatsReply, after: StatsReply): boolean {
  const endings = Object.entries(before.endings);
  return (
    endings.some(([ending, count]) => (after.endings[ending] ?? 0) < count) ||
    phases.some((phase) => after.phases[phase].count < before.phases[phase].count)
  );
}
