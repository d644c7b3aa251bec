/** Waits that have a limit. */
import type { Clock } from '../../ports/clock.ts';
import { pause } from '../../system/pause.ts';

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

const pauseMs = 25;
const maxWaitMs = 20_000;

/** For a participant's other sessions: `goneNow` ends them, and tells whether they are gone. */
export async function untilGone(
  clock: Clock,
  goneNow: () => Promise<boolean>,
  advice: string,
): Promise<void> {
  const giveUpAtMs = clock.monotonicMs() + maxWaitMs;
  while (!(await goneNow())) {
    if (clock.monotonicMs() > giveUpAtMs) {
      throw new Error(`A session that works for this participant does not end. ${advice}`);
    }
    await pause(clock, pauseMs);
  }
}

const farewellMs = 1_000;

/** What a driver talks through. */
export interface Stream {
  once(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

/** Of the connections of a pool. */
export class Streams {
  readonly #open = new Set<Stream>();

  add(stream: Stream): void {
    this.#open.add(stream);
    stream.once('close', () => this.#open.delete(stream));
  }

  /** Drivers wait for the end of each, which does not come where a connection was swallowed. */
  async endWith(clock: Clock, ended: Promise<unknown>): Promise<void> {
    if (await doneWithin(clock, ended, farewellMs)) return;
    for (const stream of this.#open) stream.destroy();
  }
}
