import { expect, it } from 'vitest';
import { steadyWall } from '../../../src/system/steady-wall.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

it('a steady wall clock goes on as it did when the clock is set', async () => {
  const clock = new ManualClock();
  let setByMs = 0;
  const wallMs = steadyWall({
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs() + setByMs,
    setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
  });
  const before = wallMs();
  expect(before).toBe(clock.wallMs());
  for (const jumpMs of [3_600_000, -7_200_000]) {
    setByMs += jumpMs;
    await clock.advance(500);
  }
  expect(wallMs()).toBe(before + 1_000);
});
