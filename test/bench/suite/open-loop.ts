/** Latency under a load that does not wait for its answers, at parts of the peak. */
import { join } from 'node:path';
import { seededRandom } from '../../support/samples/seeded-random.ts';
import { closedLoop, median } from '../load.ts';
import { BenchCluster, type LogKind, logKinds } from '../rig/bench-cluster.ts';
import { type OpenMeasured, poissonArrivals, runOpenLoop } from '../rig/paced.ts';
import type { Chart, Section, SectionGiven, Table, Target } from './section.ts';

const peakInFlight = [64, 256, 1_024];
const quickPeakInFlight = [256];
const parts = [0.25, 0.5, 0.75, 0.9];
const warmUpPart = 0.3;
const mostTimesP50 = 5;

/** By the part of the peak: one of each round. */
type AtParts = ReadonlyMap<number, OpenMeasured[]>;

interface OfLog {
  readonly log: LogKind;
  readonly peakPerSecond: number;
  readonly atParts: AtParts;
}

export const openLoop: Section = {
  name: 'open-loop',
  title: 'Latency at parts of the peak',
  about:
    'The peak is what closed loops of 64, 256 and 1,024 in flight reach, the best of the three. ' +
    'Then transactions of three branches come in a Poisson process at parts of it, whatever ' +
    'becomes of those before, and latency counts from when each was due: waiting to be sent is ' +
    'part of it. One that fails counts as one that never ends. Medians of the rounds.',
  run: async (given) => {
    const all: OfLog[] = [];
    for (const log of logKinds) all.push(await measured(given, log));
    return { tables: all.map(tableOf), charts: [chartOf(all)], targets: all.map(targetOf) };
  },
};

async function measured(given: SectionGiven, log: LogKind): Promise<OfLog> {
  const { durationMs, rounds, quick, progress } = given;
  const cluster = await BenchCluster.started({ log, directory: join(given.directory, log) });
  const one = (): Promise<void> => cluster.transact();
  try {
    progress(`${log}: the peak`);
    await cluster.warmUp(given);
    const peakPerSecond = await peakOf({ durationMs, rounds, quick, one });
    const random = seededRandom(14);
    const loop = (part: number, ms: number): Promise<OpenMeasured> => {
      const perSecond = peakPerSecond * part;
      const due = poissonArrivals({ perSecond, durationMs: ms, random });
      return runOpenLoop({ due, durationMs: ms, one });
    };
    const atParts: AtParts = new Map(parts.map((part) => [part, []]));
    for (let round = 1; round <= rounds; round += 1) {
      for (const [part, list] of atParts) {
        progress(`${log}: ${part * 100} % of the peak, round ${round} of ${rounds}`);
        await loop(part, durationMs * warmUpPart);
        list.push(await loop(part, durationMs));
      }
    }
    return { log, peakPerSecond, atParts };
  } finally {
    await cluster.remove();
  }
}

export async function peakOf(given: {
  readonly durationMs: number;
  readonly rounds: number;
  readonly quick: boolean;
  readonly one: () => Promise<void>;
}): Promise<number> {
  const { durationMs, rounds, quick, one } = given;
  const levels = quick ? quickPeakInFlight : peakInFlight;
  const reached = new Map<number, number[]>(levels.map((inFlight) => [inFlight, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [inFlight, list] of reached) {
      const warmUpMs = durationMs * warmUpPart;
      list.push((await closedLoop({ inFlight, durationMs, warmUpMs, one })).perSecond);
    }
  }
  return Math.max(...[...reached.values()].map(median));
}

function tableOf({ log, peakPerSecond, atParts }: OfLog): Table {
  return {
    title: `Open loop, ${log}; the peak is ${peakPerSecond.toFixed(0)} tx/s`,
    columns: ['% of peak', 'tx/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'sent late ms', 'failed'],
    rows: [...atParts].map(([part, list]) => {
      const middle = (value: (each: OpenMeasured) => number): number => median(list.map(value));
      return [
        part * 100,
        Math.round(middle((each) => each.offeredPerSecond)),
        middle((each) => each.p50Ms),
        middle((each) => each.p99Ms),
        middle((each) => each.p999Ms),
        middle((each) => each.lateMs),
        list.reduce((sum, { failed }) => sum + failed, 0),
      ];
    }),
  };
}

function chartOf(all: readonly OfLog[]): Chart {
  const values = { p50: 'p50Ms', p99: 'p99Ms', 'p99.9': 'p999Ms' } as const;
  const lines = all.flatMap(({ log, atParts }) =>
    Object.entries(values).map(([name, key]) => ({
      name: `${log} ${name}`,
      points: [...atParts].map(([part, list]) => ({
        x: part * 100,
        y: median(list.map((each) => each[key])),
      })),
    })),
  );
  return {
    name: 'open-loop',
    title: 'Latency under a load that does not wait',
    x: { title: 'offered, % of the peak', scale: 'linear' },
    y: { title: 'latency, ms', scale: 'logarithmic' },
    lines,
  };
}

function targetOf({ log, atParts }: OfLog): Target {
  const times = median((atParts.get(0.5) ?? []).map(({ p99Ms, p50Ms }) => p99Ms / p50Ms));
  return {
    what: `p99 at half of the peak, ${log}`,
    aim: `< ${mostTimesP50} times p50`,
    measured: Number.isFinite(times) ? `${times.toFixed(1)} times` : 'more than 1 % failed',
    met: times < mostTimesP50,
  };
}
