import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { fractions, systemRandom } from '../../../src/system/random.ts';

describe('systemClock', () => {
  it('never fires before the delay has passed by its own measure', async () => {
    for (const delayMs of [0, 0.4, 1, 1.6, 7, 13.3]) {
      const startMs = systemClock.monotonicMs();
      await new Promise<void>((resolve) => systemClock.setTimer(delayMs, resolve));
      expect(systemClock.monotonicMs() - startMs).toBeGreaterThanOrEqual(delayMs);
    }
  });

  it('does not fire a delay beyond 2^31 ms at once, and does not fire a cancelled timer', async () => {
    let fired = 0;
    const far = systemClock.setTimer(2 ** 31 + 5_000, () => {
      fired += 1;
    });
    const soon = systemClock.setTimer(1, () => {
      fired += 1;
    });
    soon.cancel();
    await new Promise<void>((resolve) => systemClock.setTimer(20, resolve));
    far.cancel();
    far.cancel();
    expect(fired).toBe(0);
  });

  it('fires a delay beyond 2^31 ms when it is due, and not when its first leg is over', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      let fired = 0;
      systemClock.setTimer(2 ** 31 + 5_000, () => {
        fired += 1;
      });
      vi.advanceTimersByTime(2 ** 31 + 4_999);
      expect(fired).toBe(0);
      vi.advanceTimersByTime(1);
      expect(fired).toBe(1);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is asynchronous even without a delay', async () => {
    let fired = false;
    const done = new Promise<void>((resolve) => {
      systemClock.setTimer(0, () => {
        fired = true;
        resolve();
      });
    });
    expect(fired).toBe(false);
    await done;
    expect(fired).toBe(true);
  });
});

describe('systemRandom', () => {
  it('makes tokens of exactly the length asked for, from all 36 digits, none likelier than the others', () => {
    expect(systemRandom.token(0)).toBe('');
    const text = systemRandom.token(72_000);
    expect(text).toMatch(/^[0-9a-z]{72000}$/);
    const counts = new Map<string, number>();
    for (const digit of text) counts.set(digit, (counts.get(digit) ?? 0) + 1);
    expect(counts.size).toBe(36);
    // 2,000 expected of each, standard deviation 44. `byte % 36` without rejection gives the first
    // four 1/7 more.
    const first = [...'0123'].reduce((sum, digit) => sum + (counts.get(digit) ?? 0), 0);
    expect(first).toBeLessThan(8_600);
    expect(new Set(Array.from({ length: 1_000 }, () => systemRandom.token(13))).size).toBe(1_000);
  });

  it('makes fractions in [0, 1) that repeat for the same seed only', () => {
    const seed = Uint32Array.of(1, 2, 3, 4);
    const one = fractions(seed);
    const same = fractions(seed);
    const other = fractions(Uint32Array.of(1, 2, 3, 5));
    const taken = Array.from({ length: 5_000 }, one);
    expect(taken.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(Array.from({ length: 5_000 }, same)).toEqual(taken);
    expect(Array.from({ length: 5_000 }, other)).not.toEqual(taken);
    const mean = taken.reduce((sum, value) => sum + value, 0) / taken.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.03);
    expect(systemRandom.fraction()).not.toBe(systemRandom.fraction());
  });
});
