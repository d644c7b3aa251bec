/** Whether anything grows with time: heap, handles and keys at half of the peak. */
import { join } from 'node:path';
import { journalFile } from '../../../src/journal/lmdb/journal.ts';
import { pause } from '../../support/process/child.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';
import { median } from '../load.ts';
import { shownDuration } from '../report/shown.ts';
import { BenchCluster, probed } from '../rig/bench-cluster.ts';
import { keysInLog, keysInStore } from '../rig/keys.ts';
import { poissonArrivals, runOpenLoop } from '../rig/paced.ts';
import { handlesOf, heldMemoryOf } from '../rig/usage.ts';
import { peakOf } from './open-loop.ts';
import type { Chart, Section, SectionGiven, Table, Target } from './section.ts';

const part = 0.5;
const readings = 30;
const quickReadings = 6;
/** What was left to acknowledge is not to be in a reading. */
const settleMs = 500;
const wantedMs = 30 * 60_000;

export interface Reading {
  readonly atMs: number;
  readonly leaderHeapBytes: number;
  readonly leaderRssBytes: number;
  readonly leaderHandles: number;
  readonly participantsHeapBytes: number;
  readonly participantsHandles: number;
  readonly logKeys: number;
  readonly journalKeys: number;
}

type Figure = Exclude<keyof Reading, 'atMs'>;

/** With what it may grow by from the middle third to the last: what comes and goes is not even. */
const figures: Readonly<Record<Figure, { readonly name: string; readonly most: number | null }>> = {
  leaderHeapBytes: { name: "leader's heap", most: 0.05 },
  leaderRssBytes: { name: "leader's RSS", most: null },
  leaderHandles: { name: "leader's handles", most: 0 },
  participantsHeapBytes: { name: "participants' heap", most: 0.05 },
  participantsHandles: { name: "participants' handles", most: 0 },
  logKeys: { name: 'keys in the decision log', most: 0.05 },
  journalKeys: { name: 'keys in the journals', most: 0.05 },
};
const names = Object.keys(figures) as Figure[];

export const soak: Section = {
  name: 'soak',
  title: 'Growth over time',
  about:
    'An open loop at half of the peak, on the embedded log with three participants in one process. ' +
    'After each slice of it both processes collect their garbage by force and are read. The first ' +
    'third fills what has a bound: records of finished transactions are kept for ten minutes, or ' +
    '200,000 of them. So the medians of the last third are held against those of the middle one, ' +
    'and only 30 minutes say that nothing grows: `--soak 30`.',
  run: async (given) => {
    const { soakMs } = given;
    const all = await measured(given);
    return {
      tables: [tableOf(all)],
      charts: [chartOf(all)],
      targets: targetsOf(all, soakMs),
    };
  },
};

async function measured(given: SectionGiven): Promise<readonly Reading[]> {
  const { durationMs, quick, soakMs, progress } = given;
  const count = quick ? quickReadings : readings;
  const cluster = await BenchCluster.started({
    log: 'embedded',
    directory: join(given.directory, 'cluster'),
    through: () => probed,
  });
  const one = (): Promise<void> => cluster.transact();
  try {
    progress('the peak');
    await cluster.warmUp(given);
    const perSecond = part * (await peakOf({ durationMs, rounds: 1, quick, one }));
    const random = seededRandom(30);
    const all: Reading[] = [];
    const fromMs = performance.now();
    for (let index = 1; index <= count; index += 1) {
      progress(`reading ${index} of ${count}, ${perSecond.toFixed(0)} tx/s`);
      const sliceMs = soakMs / count;
      const due = poissonArrivals({ perSecond, durationMs: sliceMs, random });
      const { failed, failures } = await runOpenLoop({ due, durationMs: sliceMs, one });
      if (failed > 0) {
        const counts = JSON.stringify(failures);
        throw new Error(`${failed} transactions failed at half of the peak: ${counts}.`);
      }
      await pause(settleMs);
      all.push(await read(cluster, performance.now() - fromMs));
    }
    return all;
  } finally {
    await cluster.remove();
  }
}

async function read(cluster: BenchCluster, atMs: number): Promise<Reading> {
  const { leader, services } = cluster;
  const [service] = services;
  if (service === undefined) throw new Error('The participants are missing.');
  const [ofLeader, ofService] = await Promise.all([
    heldMemoryOf(leader.child),
    heldMemoryOf(service),
  ]);
  return {
    atMs,
    leaderHeapBytes: ofLeader.heapBytes,
    leaderRssBytes: ofLeader.rssBytes,
    leaderHandles: handlesOf(leader.child.pid),
    participantsHeapBytes: ofService.heapBytes,
    participantsHandles: handlesOf(service.pid),
    logKeys: await keysInLog(cluster),
    journalKeys: [...cluster.journals.values()].reduce(
      (sum, journal) => sum + keysInStore(join(journal, journalFile)),
      0,
    ),
  };
}

/** From the middle third to the last: 0.1 is a tenth more. */
export function growthOf(all: readonly Reading[], figure: Figure): number {
  const third = Math.floor(all.length / 3);
  const of = (some: readonly Reading[]): number => median(some.map((each) => each[figure]));
  return of(all.slice(-third)) / of(all.slice(third, -third)) - 1;
}

export function targetsOf(all: readonly Reading[], soakMs: number): Target[] {
  return names.flatMap((figure): Target[] => {
    const { name, most } = figures[figure];
    if (most === null) return [];
    const growth = growthOf(all, figure);
    const long = soakMs >= wantedMs;
    const sign = growth < 0 ? '' : '+';
    return [
      {
        what: `Growth at half of the peak: ${name}`,
        aim: `<= ${most * 100} % in ${wantedMs / 60_000} min`,
        measured: `${sign}${(growth * 100).toFixed(1)} % in ${shownDuration(soakMs)}${long ? '' : ', too short to tell'}`,
        met: long && growth <= most,
      },
    ];
  });
}

function tableOf(all: readonly Reading[]): Table {
  const third = Math.floor(all.length / 3);
  const shown = (figure: Figure, value: number): number =>
    figure.endsWith('Bytes') ? value / 1_000_000 : value;
  return {
    title: 'Over time, embedded',
    columns: ['what', 'first', 'middle third', 'last third', 'most', 'growth %'],
    rows: names.map((figure) => {
      const values = all.map((each) => shown(figure, each[figure]));
      const bytes = figure.endsWith('Bytes') ? ', MB' : '';
      return [
        `${figures[figure].name}${bytes}`,
        values[0] ?? null,
        median(values.slice(third, -third)),
        median(values.slice(-third)),
        Math.max(...values),
        growthOf(all, figure) * 100,
      ];
    }),
  };
}

function chartOf(all: readonly Reading[]): Chart {
  const lines = (['leaderHeapBytes', 'leaderRssBytes', 'participantsHeapBytes'] as const).map(
    (figure) => ({
      name: figures[figure].name,
      points: all.map((each) => ({ x: each.atMs / 60_000, y: each[figure] / 1_000_000 })),
    }),
  );
  return {
    name: 'soak',
    title: 'Memory over time, half of the peak',
    x: { title: 'minutes', scale: 'linear' },
    y: { title: 'MB', scale: 'linear' },
    lines,
  };
}
