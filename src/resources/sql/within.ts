import type { Clock } from '../../ports/clock.ts';

/** Whether it was done in time, whichever way. It goes on where it was not. */
export function doneWithin(
  clock: Clock,
  what: Promise<unknown>,
  limitMs: number,
): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(limitMs, () => resolve(false));
    const done = (): void => {
      timer.cancel();
      resolve(true);
    };
    what.then(done, done);
  });
}
