/** Wall time that does not jump while this process lives, even where the clock is set. */
import type { Clock } from '../ports/clock.ts';

export function steadyWall(clock: Clock): () => number {
  const startedAtMs = clock.wallMs() - clock.monotonicMs();
  return () => startedAtMs + clock.monotonicMs();
}
