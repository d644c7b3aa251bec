/** Whoever waits for news goes on with the next, or when its time is over. */
import { systemClock } from '../../system/clock.ts';

export class Changes {
  #next = Promise.withResolvers<void>();

  /** There is news. */
  tell(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  }

  /** Until there is, at most `delayMs`. */
  wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = systemClock.setTimer(Math.max(0, delayMs), resolve);
      void this.#next.promise.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }
}
