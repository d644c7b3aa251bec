/** Wall time that does not jump while this process lives: for ages, where the clock may be set meanwhile. */
import type { Clock } from '../ports/clock.ts';

export function steadyWall(clock: Clock): () => number {
  const startedAtMs = clock.wallMs() - clock.monotonicMs();
  return () => startedAtMs + clock.monotonicMs();
}
