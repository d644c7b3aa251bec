import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Breaker } from '../../../../src/core/term/flow/breaker.ts';

const options = { breakerAfter: 3, breakerPauseMs: 100, maxBreakerPauseMs: 400 };
const full = (): number => 1;
const made = (): Breaker => new Breaker(options);

function opened(): Breaker {
  const breaker = made();
  for (const one of ['x', 'y', 'z']) breaker.timedOut(one, 0, full);
  return breaker;
}

describe('a breaker', () => {
  it('opens after so many time-outs in a row, and says so once', () => {
    const breaker = made();
    expect([breaker.timedOut('x', 0, full), breaker.timedOut('y', 0, full)]).toEqual([
      false,
      false,
    ]);
    expect(breaker.voted()).toBe(false);
    expect([breaker.timedOut('x', 0, full), breaker.timedOut('y', 0, full)]).toEqual([
      false,
      false,
    ]);
    expect(breaker.refusal(0)).toBeNull();
    expect(breaker.timedOut('z', 0, full)).toBe(true);
    expect(breaker.timedOut('late', 1, full)).toBe(false);
    expect(breaker.refusal(0)).toBe(100);
    expect(breaker.refusal(99)).toBe(1);
  });

  it('lets one probe pass after the pause, and no other beside it', () => {
    const breaker = opened();
    expect(breaker.refusal(100)).toBeNull();
    breaker.passed('probe');
    expect(breaker.refusal(100)).toBe(100);
    expect(breaker.voted()).toBe(true);
    expect(breaker.refusal(100)).toBeNull();
  });

  it('pauses twice as long with each probe that fails, up to the limit, and begins anew once closed', () => {
    const breaker = opened();
    let nowMs = 0;
    const pauses: (number | null)[] = [];
    for (let round = 0; round < 4; round += 1) {
      const pauseMs = breaker.refusal(nowMs) ?? 0;
      pauses.push(pauseMs);
      nowMs += pauseMs;
      breaker.passed(round);
      expect(breaker.timedOut(round, nowMs, full)).toBe(false);
    }
    expect(pauses).toEqual([100, 200, 400, 400]);
    breaker.close();
    for (const one of ['x', 'y', 'z']) breaker.timedOut(one, nowMs, full);
    expect(breaker.refusal(nowMs)).toBe(100);
  });

  it('learns nothing from a prepare that was under way before, or a probe that others ended', () => {
    const breaker = opened();
    breaker.passed('probe');
    breaker.timedOut('x', 50, full);
    expect(breaker.refusal(50)).toBe(100);
    breaker.ended('x', 50);
    expect(breaker.refusal(50)).toBe(100);
    breaker.ended('probe', 60);
    expect(breaker.refusal(60)).toBeNull();
    breaker.passed('next');
    breaker.timedOut('next', 70, full);
    expect(breaker.refusal(70)).toBe(200);
  });

  it('is half-open at once when it is heard of, and not closed', () => {
    const breaker = opened();
    breaker.heard(10);
    expect(breaker.refusal(10)).toBeNull();
    breaker.passed('probe');
    breaker.heard(20);
    expect(breaker.refusal(20)).toBe(100);
  });

  it('never opens where that is switched off', () => {
    const breaker = new Breaker({ ...options, breakerAfter: 0 });
    for (let count = 0; count < 100; count += 1) breaker.timedOut(count, 0, full);
    expect(breaker.refusal(0)).toBeNull();
  });

  it('lets one probe at a time pass while open, is never refused for longer than its limit, and is closed by a vote', () => {
    const happening = fc.record({
      what: fc.constantFrom('pass', 'time-out', 'vote', 'end', 'heard', 'wait'),
      which: fc.nat(5),
      fraction: fc.double({ min: 0, max: 0.999, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(happening, { maxLength: 80 }), (happenings) => {
        const breaker = new Breaker(options);
        let nowMs = 0;
        let probing: number | null = null;
        let next = 0;
        const passed: number[] = [];
        for (const each of happenings) {
          const one = passed[each.which];
          if (each.what === 'pass' && breaker.refusal(nowMs) === null) {
            next += 1;
            expect(probing === null || breaker.isClosed).toBe(true);
            if (!breaker.isClosed) probing = next;
            breaker.passed(next);
            passed.unshift(next);
          } else if (each.what === 'wait') nowMs += each.which * 50;
          else if (each.what === 'vote') breaker.voted();
          else if (each.what === 'heard') breaker.heard(nowMs);
          else if (one !== undefined && each.what === 'time-out')
            breaker.timedOut(one, nowMs, () => each.fraction);
          else if (one !== undefined && each.what === 'end') breaker.ended(one, nowMs);
          const isOver = each.what === 'time-out' || each.what === 'end';
          if (breaker.isClosed || (isOver && one === probing)) probing = null;
          expect(breaker.refusal(nowMs) ?? 0).toBeLessThanOrEqual(options.maxBreakerPauseMs);
        }
      }),
    );
  });
});
