import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TimerHandle, TimerWheel } from '../../../src/core/timer-wheel.ts';

const delay = fc.oneof(
  fc.nat(20),
  fc.nat(2_000),
  fc.nat(2_000_000),
  fc.nat(4_000_000_000),
  fc.double({ min: 0, max: 1_000, noNaN: true }),
);
const step = fc.oneof(
  fc.record({ kind: fc.constant('schedule' as const), byMs: delay }),
  fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(50) }),
  fc.record({ kind: fc.constant('advance' as const), byMs: delay }),
  fc.record({ kind: fc.constant('to-next' as const) }),
);

describe('the timer wheel', () => {
  it('fires what a sorted list would, never early and at most one granule late', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 4, 10),
        fc.array(step, { maxLength: 60 }),
        (granularityMs, steps) => {
          let nowMs = 12_345.5;
          let lastMs = nowMs;
          const wheel = new TimerWheel<number>({ nowMs, granularityMs });
          const naive = new Map<number, { atMs: number; handle: TimerHandle }>();
          let next = 0;
          const advance = (toMs: number): void => {
            nowMs = toMs;
            wheel.advance(nowMs, (value) => {
              const timer = naive.get(value);
              expect(timer, 'fired once, and not cancelled').toBeDefined();
              expect(timer?.atMs).toBeLessThanOrEqual(nowMs);
              naive.delete(value);
            });
            for (const { atMs } of naive.values()) {
              expect(atMs, 'not late').toBeGreaterThan(Math.min(nowMs - granularityMs, lastMs));
              expect(atMs <= nowMs - granularityMs, 'not late by more than a granule').toBe(false);
            }
            lastMs = nowMs;
          };
          for (const what of steps) {
            if (what.kind === 'schedule') {
              const atMs = nowMs + what.byMs;
              naive.set(next, { atMs, handle: wheel.schedule(atMs, next) });
              next += 1;
            } else if (what.kind === 'cancel') {
              const timer = naive.get(what.which);
              if (timer === undefined) continue;
              wheel.cancel(timer.handle);
              wheel.cancel(timer.handle);
              naive.delete(what.which);
            } else if (what.kind === 'advance') {
              advance(nowMs + what.byMs);
            } else {
              const atMs = wheel.nextAtMs();
              if (atMs !== null) advance(Math.max(nowMs, atMs));
            }
            expect(wheel.size).toBe(naive.size);
            const nextAtMs = wheel.nextAtMs();
            if (naive.size === 0) expect(nextAtMs).toBeNull();
            else {
              const least = Math.min(...[...naive.values()].map((timer) => timer.atMs));
              expect(nextAtMs).toBeLessThanOrEqual(Math.max(least, nowMs) + granularityMs);
            }
          }
          for (let turn = 0; naive.size > 0 && turn < 2_000; turn += 1) {
            advance(Math.max(nowMs, wheel.nextAtMs() ?? nowMs));
          }
          expect(naive.size, 'all of them fire, following nextAtMs alone').toBe(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('lets a callback schedule and cancel others', () => {
    const wheel = new TimerWheel<string>({ nowMs: 0 });
    const fired: string[] = [];
    const doomed = wheel.schedule(9, 'doomed');
    wheel.schedule(8, 'killer');
    wheel.advance(100, (value) => {
      fired.push(value);
      if (value === 'killer') {
        wheel.cancel(doomed);
        wheel.schedule(50, 'child');
      }
    });
    expect(fired).toEqual(['killer', 'child']);
    expect(wheel.size).toBe(0);
    expect(wheel.nextAtMs()).toBeNull();
  });

  it('fires in order of due time', () => {
    const wheel = new TimerWheel<number>({ nowMs: 0 });
    const fired: number[] = [];
    for (const atMs of [5_000, 3, 270, 1, 260, 70_000, 2]) wheel.schedule(atMs, atMs);
    wheel.advance(100_000, (value) => fired.push(value));
    expect(fired).toEqual([1, 2, 3, 260, 270, 5_000, 70_000]);
  });

  it('keeps what is never due', () => {
    const wheel = new TimerWheel<string>({ nowMs: 0 });
    wheel.schedule(Number.POSITIVE_INFINITY, 'never');
    wheel.advance(1e12, () => {
      throw new Error('fired');
    });
    expect(wheel.size).toBe(1);
  });
});
