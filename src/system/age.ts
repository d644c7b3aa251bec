/**
 * How long ago something was. A machine that sleeps (a laptop's lid, a paused virtual machine)
 * stops the monotonic clock; the wall clock counts the sleep, and jumps when it is set.
 *
 * Which way to err depends on who asks:
 * - `ageMs`: too old does no harm, too young does: a request that must not run twice.
 * - `elapsedMs`: the truth, as far as this machine tells it: leases, what a ping bounds. A wall
 *   clock set forward counts only where the machine does not tell its sleep.
 * - `steadyWall`: too young does no harm, too old does: tombstones. It stands still with the
 *   machine.
 */
import type { Clock } from '../ports/clock.ts';

export interface Mark {
  readonly monotonicMs: number;
  readonly wallMs: number;
  readonly bootMs: number | null;
}

/** The wall clock's gain from which on a sleep is looked for: clocks drift, and are rounded. */
const gainedMsMin = 100;

export function mark(clock: Clock): Mark {
  return {
    monotonicMs: clock.monotonicMs(),
    wallMs: clock.wallMs(),
    bootMs: clock.bootMs?.() ?? null,
  };
}

/** Never less than the truth: the largest that any clock says. */
export function ageMs(clock: Clock, since: Mark): number {
  const now = mark(clock);
  return Math.max(
    now.monotonicMs - since.monotonicMs,
    now.wallMs - since.wallMs,
    (now.bootMs ?? 0) - (since.bootMs ?? now.bootMs ?? 0),
  );
}

/** Cheap: asks the machine for its sleep only where the wall clock gained on the monotonic one. */
export function elapsedMs(clock: Clock, since: Mark): number {
  const monotonicMs = clock.monotonicMs() - since.monotonicMs;
  const wallMs = clock.wallMs() - since.wallMs;
  if (wallMs - monotonicMs < gainedMsMin) return monotonicMs;
  const bootMs = since.bootMs === null ? undefined : clock.bootMs?.();
  if (bootMs === undefined || since.bootMs === null) return wallMs;
  return Math.max(monotonicMs, bootMs - since.bootMs);
}
