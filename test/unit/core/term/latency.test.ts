import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Latency } from '../../../../src/core/term/flow/latency.ts';

const bounds = { minMs: 100, maxMs: 5_000 };

function measured(...tookMs: readonly number[]): Latency {
  const latency = new Latency();
  for (const each of tookMs) latency.measured(each);
  return latency;
}
const times = (count: number, tookMs: number): number[] =>
  Array.from({ length: count }, () => tookMs);

describe('the wait for a vote', () => {
  it('is the longest until enough was measured', () => {
    expect(measured(...times(7, 1)).timeoutMs(bounds)).toBe(5_000);
    expect(measured(...times(8, 1)).timeoutMs(bounds)).toBe(100);
  });

  it('follows what is measured, both ways', () => {
    const latency = measured(...times(100, 200));
    const steadyMs = latency.timeoutMs(bounds);
    expect(steadyMs).toBeGreaterThanOrEqual(800);
    expect(steadyMs).toBeLessThan(900);
    for (let count = 0; count < 4; count += 1) latency.measured(900);
    expect(latency.timeoutMs(bounds)).toBeGreaterThan(2 * steadyMs);
    for (let count = 0; count < 200; count += 1) latency.measured(50);
    expect(latency.timeoutMs(bounds)).toBeLessThan(300);
  });

  it('leaves more room where latencies vary', () => {
    const even = measured(...times(100, 100));
    const uneven = measured(...times(50, 1).flatMap((one) => [one, 199]));
    expect(uneven.timeoutMs(bounds)).toBeGreaterThan(2 * even.timeoutMs(bounds));
  });

  it('doubles with each time-out until an answer is measured, so that one that became slow is found out', () => {
    const latency = measured(...times(50, 10));
    expect(latency.timeoutMs(bounds)).toBe(100);
    latency.timedOut();
    expect(latency.timeoutMs(bounds)).toBe(200);
    for (let count = 0; count < 2_000; count += 1) latency.timedOut();
    expect(latency.timeoutMs(bounds)).toBe(5_000);
    latency.measured(10);
    expect(latency.timeoutMs(bounds)).toBe(100);
  });

  it('is within its bounds, whatever happens; a least above the longest means the longest', () => {
    const happening = fc.oneof(fc.constant('time-out' as const), fc.nat({ max: 100_000 }));
    fc.assert(
      fc.property(
        fc.array(happening, { maxLength: 60 }),
        fc.nat({ max: 10_000 }),
        fc.nat({ max: 10_000 }),
        (happenings, minMs, maxMs) => {
          const latency = new Latency();
          for (const what of happenings) {
            if (what === 'time-out') latency.timedOut();
            else latency.measured(what);
            const timeoutMs = latency.timeoutMs({ minMs, maxMs });
            expect(timeoutMs).toBeGreaterThanOrEqual(Math.min(minMs, maxMs));
            expect(timeoutMs).toBeLessThanOrEqual(maxMs);
          }
        },
      ),
    );
  });
});
