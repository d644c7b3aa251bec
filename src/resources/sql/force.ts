/** Ends other sessions of a participant, and waits until they are gone. */
import type { Clock } from '../../ports/clock.ts';
import { pause } from '../../system/pause.ts';

const pauseMs = 25;
const maxWaitMs = 20_000;

/** `goneNow` tells whether they are, and ends those that are not. */
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
