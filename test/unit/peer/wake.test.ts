import { describe, expect, it } from 'vitest';
import { type WaitFor, Wake } from '../../../src/peer/delays.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

function wakes(waitFor: WaitFor = 'others'): { clock: ManualClock; wake: Wake; firedMs: number[] } {
  const clock = new ManualClock(0);
  const firedMs: number[] = [];
  const wake = new Wake(clock, waitFor, () => firedMs.push(clock.monotonicMs()));
  return { clock, wake, firedMs };
}

describe('the timer for the earliest of many time-outs', () => {
  it('fires at the earliest time that it was set for, once', async () => {
    const { clock, wake, firedMs } = wakes();
    wake.set(300);
    wake.set(100);
    wake.set(200);
    expect(clock.timers).toBe(1);
    await clock.advance(1_000);
    expect(firedMs).toEqual([100]);
    expect(clock.timers).toBe(0);
  });

  it('is not late after a busy turn', async () => {
    const { clock, wake, firedMs } = wakes();
    wake.set(100);
    clock.jump(150);
    expect(wake.mayFire(150)).toBe(true);
    await clock.advance(0);
    expect(firedMs).toEqual([150]);
  });

  it('waits for as long as its process stood still, so that what lies unread is read', async () => {
    const { clock, wake, firedMs } = wakes();
    wake.set(100);
    clock.jump(400);
    await clock.advance(0);
    expect(firedMs).toEqual([]);
    // Whoever comes meanwhile may not fire what is due, and sets nothing earlier.
    wake.set(0);
    await clock.advance(299);
    expect(wake.mayFire(clock.monotonicMs())).toBe(false);
    await clock.advance(1);
    expect(firedMs).toEqual([700]);
  });

  it('sees a standstill also where somebody comes before its timer does', async () => {
    const { clock, wake, firedMs } = wakes();
    wake.set(100);
    clock.jump(200);
    expect(wake.mayFire(clock.monotonicMs())).toBe(false);
    await clock.advance(99);
    expect(firedMs).toEqual([]);
    await clock.advance(1);
    expect(firedMs).toEqual([300]);
  });

  it('waits a second at most, and not once more where it is late again', async () => {
    const { clock, wake, firedMs } = wakes();
    wake.set(100);
    clock.jump(10_000);
    await clock.advance(0);
    clock.jump(5_000);
    expect(wake.mayFire(clock.monotonicMs())).toBe(true);
    await clock.advance(0);
    expect(firedMs).toEqual([15_000]);
    // The next standstill is another one.
    wake.set(16_000);
    clock.jump(2_000);
    await clock.advance(999);
    expect(firedMs).toEqual([15_000]);
    await clock.advance(1);
    expect(firedMs).toEqual([15_000, 18_000]);
  });

  it('fires no more once it was cancelled, in a standstill either', async () => {
    const { clock, wake, firedMs } = wakes();
    wake.set(100);
    clock.jump(500);
    await clock.advance(0);
    wake.cancel();
    await clock.advance(5_000);
    expect(firedMs).toEqual([]);
    expect(wake.mayFire(clock.monotonicMs())).toBe(true);
  });

  it('is not patient where no one is waited for: a sign of life is overdue then', async () => {
    const { clock, wake, firedMs } = wakes('time');
    wake.set(100);
    clock.jump(5_000);
    expect(wake.mayFire(5_000)).toBe(true);
    await clock.advance(0);
    expect(firedMs).toEqual([5_000]);
  });

  it('fires after a standstill also where the clock calls back a hair too early', async () => {
    const clock = new ManualClock(0);
    let fired = 0;
    const early: Clock = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs - 0.5, callback),
    };
    const wake = new Wake(early, 'others', () => {
      fired += 1;
    });
    wake.set(100);
    clock.jump(400);
    await clock.advance(1_000);
    expect([fired, clock.timers]).toEqual([1, 0]);
  });
});
