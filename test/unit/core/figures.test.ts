import { describe, expect, it } from 'vitest';
import { bucketsMs, Figures, Histogram } from '../../../src/core/figures.ts';

describe('a histogram', () => {
  it('puts each time into the first bucket that holds it', () => {
    const histogram = new Histogram();
    for (const ms of [0, 1, 1.1, 2.5, 30_000, 30_001]) histogram.record(ms);
    const [first, second] = histogram.counts;
    expect([first, second]).toEqual([2, 2]);
    expect(histogram.counts.slice(-2)).toEqual([1, 1]);
    expect(histogram.counts).toHaveLength(bucketsMs.length + 1);
    expect(histogram).toMatchObject({ count: 6, sumMs: 60_005.6 });
  });
});

it('missed votes are counted by participant, and under one name past 200 of them', () => {
  const figures = new Figures();
  for (let index = 0; index < 300; index += 1) figures.missedVote(`p${index}`);
  figures.missedVote('p0');
  expect(figures.missedVotes.get('p0')).toBe(2);
  expect(figures.missedVotes.get('other')).toBe(100);
  expect(figures.missedVotes.size).toBe(201);
});

describe('the endings', () => {
  it('are counted by what they are, and under one name past 48 of them', () => {
    const figures = new Figures();
    figures.ended('committed');
    for (let index = 0; index < 100; index += 1) figures.ended(`CODE_${index}`);
    figures.ended('committed');
    expect(figures.endings.get('committed')).toBe(2);
    expect(figures.endings.get('CODE_46')).toBe(1);
    expect(figures.endings.get('OTHER')).toBe(53);
    expect(figures.endings.size).toBe(49);
  });
});
