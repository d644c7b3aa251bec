/** Of what was measured: tables, charts and targets. */
import { type Measured, median, medians } from '../../load.ts';
import type { Chart, Findings, Table, Target } from '../section.ts';
import { type Store, skeletonName, verdictName } from './contenders.ts';

export interface Row {
  /** Transactions in flight, or branches of one. */
  readonly x: number;
  /** By contender, one of each round. */
  readonly rounds: Readonly<Record<string, readonly Measured[]>>;
}

export interface OfStore {
  readonly store: Store;
  /** With its version. */
  readonly shown: string;
  readonly rows: readonly Row[];
}

/** Of the skeleton's throughput. */
const shareAim = 0.7;
const shareHoped = 0.8;
const shareAt = [256, 1_024];
const peakAt = 256;
const heldAt = [1_024, 4_096];
const p50Aim = 1.1;

const chartNames: Readonly<Record<Store, string>> = {
  'embedded log': 'embedded',
  'one etcd': 'one-etcd',
  'three etcd members': 'three-etcd',
};

export function findingsOf(
  byInFlight: readonly OfStore[],
  byBranches: OfStore,
  branchesInFlight: number,
): Findings {
  const branches = `By number of branches, ${branchesInFlight} in flight, ${byBranches.store}`;
  return {
    tables: [
      ...byInFlight.flatMap(({ shown, rows }) => [
        besideSkeleton(`Three branches, ${shown}`, 'in flight', rows),
        ...baseLines(`Base lines, ${shown}`, rows),
        ...failures(`What failed, ${shown}`, rows),
      ]),
      besideSkeleton(branches, 'branches', byBranches.rows),
    ],
    charts: [
      ...byInFlight.flatMap(({ store, rows }) => [
        throughputChart(store, rows),
        latencyChart(store, rows),
      ]),
      {
        name: 'throughput-branches',
        title: branches,
        x: { title: 'branches', scale: 'logarithmic' },
        y: { title: 'tx/s', scale: 'logarithmic' },
        lines: lines(byBranches.rows, ({ perSecond }) => perSecond),
      },
    ],
    targets: byInFlight.flatMap(targetsOf),
  };
}

/** Of each round against the same round: machines drift. */
export function ratio(
  { rounds }: Row,
  [of, to]: readonly [string, string],
  figure: 'perSecond' | 'p50Ms',
): number {
  const pairs = (rounds[of] ?? []).flatMap((measured, index) => {
    const base = rounds[to]?.[index];
    return base === undefined ? [] : [measured[figure] / base[figure]];
  });
  return median(pairs);
}

function besideSkeleton(title: string, x: string, rows: readonly Row[]): Table {
  const figures = ({ perSecond, p50Ms, p99Ms, p999Ms }: Measured) =>
    [perSecond, p50Ms, p99Ms, p999Ms].map(finite);
  const columns = ['tx/s', 'p50 ms', 'p99 ms', 'p99.9 ms'];
  return {
    title,
    columns: [x, ...columns, 'failed %', ...columns.map((name) => `skeleton ${name}`), 'of it %'],
    rows: rows.map((row) => {
      return [
        row.x,
        ...figures(of(row, verdictName)),
        failedPercent(row, verdictName),
        ...figures(of(row, skeletonName)),
        Math.round(ratio(row, [verdictName, skeletonName], 'perSecond') * 100),
      ];
    }),
  };
}

/** Without Verdict and its skeleton; where there are any. */
function baseLines(title: string, rows: readonly Row[]): Table[] {
  const names = Object.keys(rows[0]?.rounds ?? {}).filter(
    (name) => name !== verdictName && name !== skeletonName,
  );
  if (names.length === 0) return [];
  const columns = ['per second', 'p50 ms', 'p99 ms'];
  return [
    {
      title,
      columns: ['in flight', ...names.flatMap((name) => columns.map((each) => `${name} ${each}`))],
      rows: rows.map((row) => [
        row.x,
        ...names.flatMap((name) => {
          const { perSecond, p50Ms, p99Ms } = of(row, name);
          return [perSecond, p50Ms, p99Ms].map(finite);
        }),
      ]),
    },
  ];
}

/** Blank where it is not known. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

/** Where anything did. */
function failures(title: string, rows: readonly Row[]): Table[] {
  const failed = rows.flatMap((row) =>
    Object.keys(row.rounds).flatMap((name) =>
      Object.entries(of(row, name).failures).map(([why, times]) => [row.x, name, why, times]),
    ),
  );
  if (failed.length === 0) return [];
  return [{ title, columns: ['in flight', 'of', 'with', 'times'], rows: failed }];
}

/** Of all that ended in all rounds. */
function failedPercent({ rounds }: Row, name: string): number {
  const all = rounds[name] ?? [];
  const failed = all.reduce((sum, round) => sum + round.failed, 0);
  const ended = all.reduce((sum, round) => sum + round.count, failed);
  return ended === 0 ? 0 : (failed / ended) * 100;
}

function throughputChart(store: Store, rows: readonly Row[]): Chart {
  return {
    name: `throughput-${chartNames[store]}`,
    title: `Throughput, three branches, ${store}`,
    x: { title: 'in flight', scale: 'logarithmic' },
    y: { title: 'per second', scale: 'linear' },
    lines: lines(rows, ({ perSecond }) => perSecond),
  };
}

function latencyChart(store: Store, rows: readonly Row[]): Chart {
  const figures = { p50: 'p50Ms', p99: 'p99Ms', 'p99.9': 'p999Ms' } as const;
  return {
    name: `latency-${chartNames[store]}`,
    title: `Latency, three branches, ${store}`,
    x: { title: 'in flight', scale: 'logarithmic' },
    y: { title: 'ms', scale: 'logarithmic' },
    lines: [verdictName, skeletonName].flatMap((name) =>
      Object.entries(figures).map(([figure, key]) => ({
        name: `${name} ${figure}`,
        points: rows.map((row) => ({ x: row.x, y: of(row, name)[key] })),
      })),
    ),
  };
}

function lines(rows: readonly Row[], y: (measured: Measured) => number): Chart['lines'] {
  return Object.keys(rows[0]?.rounds ?? {}).map((name) => ({
    name,
    points: rows.map((row) => ({ x: row.x, y: y(of(row, name)) })),
  }));
}

function targetsOf({ store, rows }: OfStore): Target[] {
  const at = (x: number): Row[] => rows.filter((row) => row.x === x);
  const perSecond = (row: Row): number => of(row, verdictName).perSecond;
  const shares = shareAt.flatMap(at).map((row): Target => {
    const share = ratio(row, [verdictName, skeletonName], 'perSecond');
    return {
      what: `Throughput at ${grouped(row.x)} in flight beside the skeleton's, ${store}`,
      aim: `>= ${percent(shareAim)}, better ${percent(shareHoped)}`,
      measured: percent(share),
      met: share >= shareAim,
    };
  });
  const held = at(peakAt).flatMap((peak) =>
    heldAt.flatMap(at).map((row): Target => {
      const part = perSecond(row) / perSecond(peak);
      return {
        what: `Throughput at ${grouped(row.x)} in flight beside that at ${grouped(peakAt)}, ${store}`,
        aim: '>= 100 %',
        measured: percent(part),
        met: part >= 1,
      };
    }),
  );
  const alone = at(1).map((row): Target => {
    const times = ratio(row, [verdictName, skeletonName], 'p50Ms');
    return {
      what: `p50 at 1 in flight beside the skeleton's, ${store}`,
      aim: `<= ${p50Aim} times`,
      measured: Number.isFinite(times) ? `${times.toFixed(2)} times` : 'none',
      met: times <= p50Aim,
    };
  });
  return [...shares, ...held, ...alone];
}

function of({ rounds }: Row, name: string): Measured {
  const all = medians(rounds[name] ?? []);
  return { ...all, p99Ms: known(all, 'p99Ms', 100), p999Ms: known(all, 'p999Ms', 1_000) };
}

/** Of fewer it would be the worst of all, and another figure with each number of them. */
function known(measured: Measured, figure: 'p99Ms' | 'p999Ms', least: number): number {
  return measured.count >= least ? measured[figure] : Number.NaN;
}

/** Down, so that what is not met is not shown as if it were. */
function percent(part: number): string {
  return Number.isFinite(part) ? `${Math.floor(part * 100 + 1e-9)} %` : 'none';
}

const grouped = (x: number): string => x.toLocaleString('en');
