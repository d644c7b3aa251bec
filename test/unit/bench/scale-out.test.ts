import { expect, it } from 'vitest';
import { findingsOf, type Scaled, shareOf } from '../../bench/suite/scale-out.ts';

const scaled = (nodes: number, work: readonly (readonly [number, number])[]): Scaled => ({
  nodes,
  perSecond: 100 * nodes,
  etcdCpuMs: 0.1,
  etcdPuts: 2,
  work: work.map(([cpuMs, messages]) => ({ cpuMs, messages })),
});
const alone = scaled(1, [[0.4, 16]]);

it('holds the busiest node against an even share of what one does alone', () => {
  const two = scaled(2, [
    [0.2, 8],
    [0.3, 9],
  ]);
  const all = [alone, two];
  expect(shareOf(all, alone, 'cpuMs')).toBe(1);
  expect(shareOf(all, two, 'cpuMs')).toBeCloseTo(1.5);
  expect(shareOf(all, two, 'messages')).toBeCloseTo(1.125);
  const { targets } = findingsOf(all);
  expect(targets.map(({ measured, met }) => [measured, met])).toEqual([
    ['1.50 times', false],
    ['1.13 times', true],
  ]);
});

it('does not let a node that rests hide one that does all', () => {
  const two = scaled(2, [
    [0, 0],
    [0.4, 16],
  ]);
  expect(findingsOf([alone, two]).targets.some(({ met }) => met)).toBe(false);
});
