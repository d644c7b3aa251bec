/** The pause before the next try: doubling, half of it chance. */
import type { Random } from '../ports/random.ts';

/**
 * `failures`: how many tries failed so far, 1 at least. Half of the pause is fixed and half is chance: peers that
 * lost one node together must not come back together.
 */
export function backoffMs(options: {
  failures: number;
  delayMs: number;
  maxDelayMs: number;
  random: Random;
}): number {
  const { failures, delayMs, maxDelayMs, random } = options;
  const doublings = Math.min(Math.max(0, failures - 1), 30);
  return Math.min(maxDelayMs, delayMs * 2 ** doublings) * (0.5 + random.fraction() / 2);
}
