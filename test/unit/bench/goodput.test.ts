import { describe, expect, it } from 'vitest';
import type { Epoch } from '../../../src/core/txid.ts';
import { type Ended, goodputOf } from '../../bench/rig/goodput.ts';

const window = { fromMs: 1_000, toMs: 3_000 };
const committed = (dueMs: number, endedMs: number, epoch = '1'): Ended => ({
  dueMs,
  endedMs,
  refusal: null,
  epoch: epoch as Epoch,
});
const refused = (dueMs: number, code: string, retryAfterMs?: number): Ended => ({
  dueMs,
  endedMs: dueMs + 1,
  refusal: { code, retryAfterMs },
  epoch: null,
});

describe('goodputOf', () => {
  it('counts what commits in the window, whenever it was due', () => {
    const { committedPerSecond } = goodputOf(
      [
        committed(0, 999),
        committed(0, 1_000),
        committed(500, 1_500),
        committed(1_000, 2_999),
        committed(2_000, 3_000),
      ],
      window,
    );
    // Three in two seconds.
    expect(committedPerSecond).toBe(1.5);
  });

  it('has the latency of those that were due in it, also where they end after it', () => {
    const { p50Ms, p99Ms } = goodputOf([committed(0, 2_000), committed(2_000, 5_000)], window);
    expect([p50Ms, p99Ms]).toEqual([3_000, 3_000]);
  });

  it('counts refusals by code, and who was told when to come again', () => {
    const all = [
      refused(500, 'BUSY'),
      refused(1_000, 'BUSY', 100),
      refused(1_500, 'TIMEOUT'),
      committed(1_600, 1_700),
      committed(1_700, 1_800),
    ];
    const { refusedPart, toldPart, refusals } = goodputOf(all, window);
    expect({ refusedPart, toldPart, refusals }).toEqual({
      refusedPart: 0.5,
      toldPart: 0.5,
      refusals: { BUSY: 1, TIMEOUT: 1 },
    });
  });

  it('sees a change of the leader in the epochs of commits, outside of the window too', () => {
    const of = (...all: readonly Ended[]): number => goodputOf(all, window).leaderChanges;
    expect(of()).toBe(0);
    expect(of(committed(1_000, 1_100), committed(1_200, 1_300))).toBe(0);
    expect(of(committed(0, 1), refused(5, 'NOT_LEADER'), committed(3_500, 3_600, '2'))).toBe(1);
  });
});
