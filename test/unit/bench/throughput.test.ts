import { describe, expect, it } from 'vitest';
import type { Measured } from '../../bench/load.ts';
import {
  findingsOf,
  type OfStore,
  type Row,
  ratio,
} from '../../bench/suite/throughput/findings.ts';

function measured(perSecond: number, more: Partial<Measured> = {}): Measured {
  const figures = { count: 1_000, p50Ms: 10, p99Ms: 20, p999Ms: 30, failed: 0, failures: {} };
  return { ...figures, perSecond, ...more };
}

function row(x: number, verdict: readonly Measured[], skeleton: readonly Measured[]): Row {
  return { x, rounds: { Verdict: verdict, skeleton } };
}

const fine = row(1, [measured(90, { p50Ms: 11 })], [measured(100)]);
const branches: OfStore = { store: 'embedded log', shown: 'embedded log', rows: [fine] };

function targets(...rows: Row[]) {
  return findingsOf([{ store: 'one etcd', shown: 'one etcd, 3.4', rows }], branches, 64).targets;
}

describe('ratio', () => {
  it('compares each round with the same one', () => {
    // The machine was slow in the second, and the third is what it is.
    const drifting = row(
      1,
      [measured(80), measured(40), measured(90)],
      [measured(100), measured(50), measured(100)],
    );
    expect(ratio(drifting, ['Verdict', 'skeleton'], 'perSecond')).toBe(0.8);
  });

  it('is none where nothing was measured', () => {
    expect(ratio(row(1, [], []), ['Verdict', 'skeleton'], 'perSecond')).toBeNaN();
  });
});

describe('the targets', () => {
  it('ask for 70 % of the skeleton at 256 and at 1,024', () => {
    const found = targets(
      row(64, [measured(1)], [measured(100)]),
      row(256, [measured(70)], [measured(100)]),
      row(1_024, [measured(69.9)], [measured(100)]),
    ).filter(({ what }) => what.includes("the skeleton's"));
    expect(found.map(({ what, measured: shown, met }) => [what, shown, met])).toEqual([
      ["Throughput at 256 in flight beside the skeleton's, one etcd", '70 %', true],
      ["Throughput at 1,024 in flight beside the skeleton's, one etcd", '69 %', false],
    ]);
  });

  it('ask for no less at 1,024 and 4,096 than at 256', () => {
    const found = targets(
      row(256, [measured(100)], [measured(100)]),
      row(1_024, [measured(100)], [measured(100)]),
      row(4_096, [measured(99)], [measured(100)]),
    ).filter(({ what }) => what.includes('that at 256'));
    expect(found.map(({ measured: shown, met }) => [shown, met])).toEqual([
      ['100 %', true],
      ['99 %', false],
    ]);
  });

  it("ask for a p50 at 1 in flight near the skeleton's", () => {
    const slow = row(1, [measured(90, { p50Ms: 11.1 })], [measured(100)]);
    expect(
      [...targets(fine), ...targets(slow)].map(({ measured: shown, met }) => [shown, met]),
    ).toEqual([
      ['1.10 times', true],
      ['1.11 times', false],
    ]);
  });

  it('are not met where nothing was measured', () => {
    const found = targets(row(1, [], []), row(256, [], []), row(1_024, [], []));
    expect(found.map(({ measured: shown, met }) => [shown, met])).toEqual([
      ['none', false],
      ['none', false],
      ['none', false],
      ['none', false],
    ]);
  });
});

describe('tables and charts', () => {
  const base = { 'plain 2PC': [measured(30)], 'single puts': [measured(300)] };
  const failing = measured(75, { count: 75, failed: 25, failures: { BUSY: 25 } });
  const { tables, charts } = findingsOf(
    [
      { store: 'embedded log', shown: 'embedded log', rows: [fine] },
      {
        store: 'one etcd',
        shown: 'one etcd, 3.4',
        rows: [{ x: 4, rounds: { ...fine.rounds, ...base } }],
      },
      {
        store: 'three etcd members',
        shown: 'three, 3.4',
        rows: [row(4, [failing], [measured(100)])],
      },
    ],
    branches,
    64,
  );

  it('are there of each store, base lines and failures where there are any', () => {
    expect(tables.map(({ title }) => title)).toEqual([
      'Three branches, embedded log',
      'Three branches, one etcd, 3.4',
      'Base lines, one etcd, 3.4',
      'Three branches, three, 3.4',
      'What failed, three, 3.4',
      'By number of branches, 64 in flight, embedded log',
    ]);
    expect(tables[0]?.rows).toEqual([[1, 90, 11, 20, 30, 0, 100, 10, 20, 30, 90]]);
    expect(tables[2]?.rows).toEqual([[4, 30, 10, 20, 300, 10, 20]]);
    // Too few for a p99, and a quarter of all failed.
    expect(tables[3]?.rows[0]?.slice(0, 6)).toEqual([4, 75, 10, null, null, 25]);
    expect(tables[4]?.rows).toEqual([[4, 'Verdict', 'BUSY', 25]]);
  });

  it('have as many cells as columns', () => {
    for (const { columns, rows } of tables) {
      for (const cells of rows) expect(cells).toHaveLength(columns.length);
    }
  });

  it('have names of their own, fit for a file', () => {
    const names = charts.map(({ name }) => name);
    expect(new Set(names).size).toBe(7);
    expect(names.filter((name) => !/^[a-z][a-z-]*$/.test(name))).toEqual([]);
    const lines = charts.map((chart) => chart.lines.map(({ name }) => name).join(', '));
    expect(lines[2]).toBe('Verdict, skeleton, plain 2PC, single puts');
  });
});
