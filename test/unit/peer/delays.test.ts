import { describe, expect, it } from 'vitest';
import { Delays } from '../../../src/peer/delays.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

describe('delays on one timer', () => {
  it('fires each at its time, whatever the order in which they were started', async () => {
    const clock = new ManualClock();
    const startMs = clock.monotonicMs();
    const fired: (readonly [string, number])[] = [];
    const delays = new Delays<string>(clock, 'others', (value) => {
      fired.push([value, clock.monotonicMs() - startMs]);
    });
    delays.start(5_000, 'late');
    delays.start(20, 'early');
    delays.start(300, 'between');
    const stopped = delays.start(250, 'stopped');
    expect(clock.timers).toBe(1);
    delays.stop(stopped);
    await clock.advance(6_000);
    expect(fired).toEqual([
      ['early', 20],
      ['between', 300],
      ['late', 5_000],
    ]);
    expect(clock.timers).toBe(0);
  });

  it('lets the one that fires start another', async () => {
    const clock = new ManualClock();
    let left = 3;
    const delays: Delays<null> = new Delays<null>(clock, 'others', () => {
      left -= 1;
      if (left > 0) delays.start(10, null);
    });
    delays.start(10, null);
    await clock.advance(100);
    expect(left).toBe(0);
    expect(clock.timers).toBe(0);
  });

  it('leaves no timer of the clock when all are stopped, or it is closed', async () => {
    const clock = new ManualClock();
    const delays = new Delays<string>(clock, 'others', () => {
      throw new Error('fired');
    });
    const [one, other] = [delays.start(1_000, 'one'), delays.start(2_000, 'other')];
    delays.stop(one);
    delays.stop(one);
    expect(clock.timers).toBe(1);
    delays.stop(other);
    expect(clock.timers).toBe(0);
    delays.start(1_000, 'again');
    delays.close();
    await clock.advance(5_000);
    expect(clock.timers).toBe(0);
  });

  it('gives an answer that lies unread after a standstill the time to be read', async () => {
    const clock = new ManualClock();
    const fired: string[] = [];
    const delays = new Delays<string>(clock, 'others', (value) => fired.push(value));
    const answered = delays.start(500, 'answered');
    delays.start(500, 'silent');
    clock.jump(3_000);
    await clock.advance(0);
    delays.stop(answered);
    await clock.advance(1_000);
    expect(fired).toEqual(['silent']);
  });
});
