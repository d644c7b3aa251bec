/** Time that runs by itself and is moved ahead. */
import { describe, expect, it } from 'vitest';
import { MovedClock } from '../../../src/testing/clock.ts';

/** Real time passes beside what a test moves: next to a minute it is nothing. */
const minuteMs = 60_000;
const turns = () => new Promise((resolve) => setImmediate(resolve));

describe('a clock that a test moves', () => {
  it('calls what is due in its order, each with all that follows from it', async () => {
    const clock = new MovedClock();
    const startMs = clock.monotonicMs();
    const said: string[] = [];
    const at = (): number => Math.round((clock.monotonicMs() - startMs) / minuteMs);
    const say = (what: string): number => said.push(`${what} at ${at()}`);
    clock.setTimer(30 * minuteMs, () => say('third'));
    clock.setTimer(10 * minuteMs, () => {
      say('first');
      const then = (): void => {
        clock.setTimer(10 * minuteMs, () => say('second, set by the first,'));
      };
      void turns().then(turns).then(then);
    });
    clock.setTimer(90 * minuteMs, () => say('too late'));
    await clock.advance(60 * minuteMs);
    expect(said).toEqual(['first at 10', 'second, set by the first, at 20', 'third at 30']);
    expect(at()).toBe(60);
    await clock.advance(30 * minuteMs);
    expect(said.at(-1)).toBe('too late at 90');
    clock.stop();
  });

  it('calls nothing that was cancelled, be it by what came right before', async () => {
    const clock = new MovedClock();
    const said: string[] = [];
    const cancelled = clock.setTimer(10, () => said.push('cancelled'));
    clock.setTimer(5, () => {
      said.push('cancels');
      cancelled.cancel();
    });
    await clock.advance(1_000);
    expect(said).toEqual(['cancels']);
  });

  it('runs as real time does', async () => {
    const clock = new MovedClock();
    await new Promise<void>((resolve) => void clock.setTimer(5, resolve));
    const order: number[] = [];
    await Promise.all(
      [20, 1, 10].map(
        (delayMs) =>
          new Promise<void>((resolve) =>
            clock.setTimer(delayMs, () => {
              order.push(delayMs);
              resolve();
            }),
          ),
      ),
    );
    expect(order).toEqual([1, 10, 20]);
  });

  it('goes on after a timer that throws, and tells who moved it', async () => {
    const clock = new MovedClock();
    clock.setTimer(10_000, () => {
      throw new Error('a fault');
    });
    await expect(clock.advance(20_000)).rejects.toThrow('a fault');
    await new Promise<void>((resolve) => void clock.setTimer(1, resolve));
  });
});
