import { expect, it } from 'vitest';
import { growthOf, type Reading, targetsOf } from '../../bench/suite/soak.ts';

const steady = {
  leaderRssBytes: 100,
  leaderHandles: 40,
  participantsHeapBytes: 100,
  participantsHandles: 40,
  logKeys: 1_000,
  journalKeys: 12,
};

function readings(heap: readonly number[]): Reading[] {
  return heap.map((leaderHeapBytes, atMs) => ({ ...steady, atMs, leaderHeapBytes }));
}

const filling = readings([10, 50, 90, 100, 101, 99, 100, 102, 98]);
const leaking = readings([10, 50, 90, 100, 110, 120, 130, 140, 150]);
const halfAnHourMs = 1_800_000;

it('does not call it growth that what has a bound fills', () => {
  expect(growthOf(filling, 'leaderHeapBytes')).toBe(0);
  expect(targetsOf(filling, halfAnHourMs).every(({ met }) => met)).toBe(true);
});

it('sees what goes on growing, by what it grew', () => {
  expect(growthOf(leaking, 'leaderHeapBytes')).toBeCloseTo(140 / 110 - 1);
  const missed = targetsOf(leaking, halfAnHourMs).filter(({ met }) => !met);
  expect(missed.map(({ what }) => what)).toEqual(["Growth at half of the peak: leader's heap"]);
  expect(missed[0]?.measured).toBe('+27.3 % in 30 min');
});

it('meets nothing in less time than was asked for', () => {
  const short = targetsOf(filling, 60_000);
  expect(short.some(({ met }) => met)).toBe(false);
  expect(short[0]?.measured).toBe('+0.0 % in 60 s, too short to tell');
});
