import { describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/ports/clock.ts';
import { ageMs, elapsedMs, mark } from '../../../src/system/age.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

/** After a second awake, an hour asleep and a wall clock set by so much. */
const hourMs = 3_600_000;
const cases = [
  {
    machine: 'tells its sleep',
    sleptMs: hourMs,
    setMs: 0,
    age: hourMs + 1_000,
    elapsed: hourMs + 1_000,
  },
  { machine: 'tells its sleep', sleptMs: 0, setMs: hourMs, age: hourMs + 1_000, elapsed: 1_000 },
  { machine: 'tells its sleep', sleptMs: 0, setMs: -hourMs, age: 1_000, elapsed: 1_000 },
  {
    machine: 'tells its sleep',
    sleptMs: hourMs,
    setMs: -hourMs / 2,
    age: hourMs + 1_000,
    elapsed: hourMs + 1_000,
  },
  {
    machine: 'tells nothing',
    sleptMs: hourMs,
    setMs: 0,
    age: hourMs + 1_000,
    elapsed: hourMs + 1_000,
  },
  {
    machine: 'tells nothing',
    sleptMs: 0,
    setMs: hourMs,
    age: hourMs + 1_000,
    elapsed: hourMs + 1_000,
  },
  { machine: 'tells nothing', sleptMs: 0, setMs: -hourMs, age: 1_000, elapsed: 1_000 },
];

describe('what is a while ago', () => {
  it.each(cases)('$machine, slept $sleptMs ms, its wall clock set by $setMs ms', async (given) => {
    const clock = new ManualClock();
    const read: Clock = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      setTimer: (delayMs, callback) => clock.setTimer(delayMs, callback),
      ...(given.machine === 'tells nothing' ? {} : { bootMs: () => clock.bootMs() }),
    };
    const since = mark(read);
    await clock.advance(1_000);
    clock.sleep(given.sleptMs);
    clock.setWall(given.setMs);
    expect(ageMs(read, since)).toBe(given.age);
    expect(elapsedMs(read, since)).toBe(given.elapsed);
  });

  it('goes with time on this machine', async () => {
    const since = mark(systemClock);
    expect(since.bootMs === null).toBe(process.platform !== 'linux');
    const startMs = performance.now();
    // Node's own timers are up to a millisecond early: what has passed is measured.
    await new Promise((resolve) => setTimeout(resolve, 30));
    const passedMs = performance.now() - startMs;
    const age = ageMs(systemClock, since);
    expect(age).toBeGreaterThanOrEqual(passedMs);
    // A hundredth of a second is what the machine tells its own age by.
    expect(age).toBeLessThanOrEqual(performance.now() - startMs + 1_000);
    expect(elapsedMs(systemClock, since)).toBeGreaterThanOrEqual(passedMs);
  });
});
