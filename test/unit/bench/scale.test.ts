import { describe, expect, it } from 'vitest';
import { scaleOf, xScaleOf } from '../../bench/report/scale.ts';

describe('a linear axis', () => {
  it('begins at 0 and ends at a round number at or above the greatest', () => {
    const { ticks, place } = scaleOf('linear', [3, 47]);
    expect(ticks).toEqual([0, 10, 20, 30, 40, 50]);
    expect([0, 25, 50].map(place)).toEqual([0, 0.5, 1]);
  });

  it('reaches below 0 where a value does', () => {
    expect(scaleOf('linear', [-3, 9]).ticks).toEqual([-4, -2, 0, 2, 4, 6, 8, 10]);
  });

  it('has marks without the noise of their step', () => {
    expect(scaleOf('linear', [0.55]).ticks).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]);
  });

  it.each([[[0]], [[0, 0]]])('has room for %j', (values) => {
    const { ticks, place } = scaleOf('linear', values);
    expect(ticks.length).toBeGreaterThan(1);
    expect(place(0)).toBe(0);
  });
});

describe('a logarithmic axis', () => {
  it('gives each factor of ten the same room', () => {
    const { ticks, place } = scaleOf('logarithmic', [1, 10_000]);
    expect(ticks).toEqual([1, 10, 100, 1_000, 10_000]);
    expect(place(100)).toBeCloseTo(0.5, 12);
  });

  it('has marks of 1, 2 and 5 where it is short', () => {
    expect(scaleOf('logarithmic', [0.3, 4]).ticks).toEqual([0.2, 0.5, 1, 2, 5]);
  });

  it('has no place for 0 and below', () => {
    const { place } = scaleOf('logarithmic', [0, -1, 1, 10]);
    expect([0, -1].map(place)).toEqual([null, null]);
    expect(place(10)).toBe(1);
  });

  it('puts a single value in the middle', () => {
    expect(scaleOf('logarithmic', [100]).place(100)).toBe(0.5);
  });

  it('is marked at the values themselves where they are few', () => {
    const { ticks, place } = xScaleOf('logarithmic', [64, 1, 4, 16, 4, 0]);
    expect(ticks).toEqual([1, 4, 16, 64]);
    expect([0, 1, 8, 64].map(place)).toEqual([null, 0, 0.5, 1]);
    const many = Array.from({ length: 40 }, (_, index) => index + 1);
    expect(xScaleOf('logarithmic', many).ticks).toEqual(scaleOf('logarithmic', many).ticks);
    expect(xScaleOf('linear', [1, 7]).ticks).toEqual(scaleOf('linear', [1, 7]).ticks);
  });
});

it.each(['linear', 'logarithmic'] as const)('%s: has no place for what is not finite', (axis) => {
  const { place } = scaleOf(axis, [Number.NaN, Number.POSITIVE_INFINITY, 1, 100]);
  expect([Number.NaN, Number.POSITIVE_INFINITY].map(place)).toEqual([null, null]);
  expect(place(100)).toBe(1);
  const empty = scaleOf(axis, [Number.NaN]);
  expect([empty.ticks, empty.place(1)]).toEqual([[], null]);
});
