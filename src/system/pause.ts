import type { Clock } from '../ports/clock.ts';

/** Waits so long by the clock. Ends early, by a throw, when one of the signals aborts. */
export async function pause(
  clock: Clock,
  delayMs: number,
  ...signals: readonly AbortSignal[]
): Promise<void> {
  for (const signal of signals) signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = clock.setTimer(delayMs, resolve);
  const stop = (event: Event): void => reject((event.target as AbortSignal).reason);
  for (const signal of signals) signal.addEventListener('abort', stop);
  try {
    await promise;
  } finally {
    timer.cancel();
    for (const signal of signals) signal.removeEventListener('abort', stop);
  }
}

/** The same, where an abort just ends the pause: the caller looks at the signal. */
export function pauseOrAbort(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return pause(clock, delayMs, signal).catch(() => undefined);
}
