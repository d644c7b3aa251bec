/** One to three times what it can do: what still commits, what is refused, what follows. */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { epochOf } from '../../../src/core/txid.ts';
import { pause } from '../../support/process/child.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';
import { median, nameOf } from '../load.ts';
import { BenchCluster, type LogKind, logKinds, payload } from '../rig/bench-cluster.ts';
import { type Ended, type Goodput, goodputOf, type Refusal } from '../rig/goodput.ts';
import { type OpenMeasured, poissonArrivals, runOpenLoop } from '../rig/paced.ts';
import { peakOf } from './open-loop.ts';
import type { Findings, Section, SectionGiven, Table, Target } from './section.ts';

const half = 0.5;
const times = [1, 2, 3];
/** Of a load, against the suite's measurements: queues take time to fill, a lease to run out. */
const longer = 5;
const maxRounds = 2;
/** Until they are full; not counted. */
const fillPart = 0.25;
const clients = 4;
const leastGoodput = 0.9;
/** Of the p99 at half of the peak, before: an answer within it is as good as any. */
const normalTimes = 2;
const mostRecoveryMs = 1_000;
const recoveryTimeoutMs = 30_000;
const retryMs = 5;

interface Load extends Goodput {
  readonly times: number;
  readonly offeredPerSecond: number;
  readonly lateMs: number;
  /** From the last that was sent to a transaction as fast as before. NaN: not in half a minute. */
  readonly recoveredMs: number;
}

interface OfLog {
  readonly log: LogKind;
  readonly peakPerSecond: number;
  /** One of each round. */
  readonly loads: ReadonlyMap<number, Load[]>;
}

export const overload: Section = {
  name: 'overload',
  title: 'Past capacity',
  about:
    'The peak is what closed loops of 64, 256 and 1,024 in flight reach, the best of the three. ' +
    'Then transactions of three branches come in a Poisson process at once, twice and three times ' +
    'of it, from four clients that try nothing again. Goodput is what commits a second while the ' +
    'load is on, without its first quarter; latency is of what commits, from when it was due. The ' +
    "load's end is that of its last transaction; it has recovered when one that is sent after it " +
    'takes no longer than twice the p99 at half of the peak before. The clients share the ' +
    "machine's cores, and what they spend on refused transactions is missing elsewhere.",
  run: async (given) => {
    const all: OfLog[] = [];
    for (const log of logKinds) all.push(await measured(given, log));
    return findingsOf(all);
  },
};

async function measured(given: SectionGiven, log: LogKind): Promise<OfLog> {
  const { durationMs, quick, progress } = given;
  const rounds = Math.min(given.rounds, maxRounds);
  const directory = join(given.directory, log);
  const cluster = await BenchCluster.started({ log, directory, clients });
  try {
    progress(`${log}: the peak`);
    await cluster.warmUp(given);
    const one = (): Promise<void> => cluster.transact();
    const peakPerSecond = await peakOf({ durationMs, rounds, quick, one });
    const random = seededRandom(5);
    const loads = new Map<number, Load[]>(times.map((each) => [each, []]));
    for (let round = 1; round <= rounds; round += 1) {
      progress(`${log}: half of the peak, round ${round} of ${rounds}`);
      const usual = poissonArrivals({ perSecond: peakPerSecond * half, durationMs, random });
      const { p99Ms } = await runOpenLoop({ due: usual, durationMs, one });
      for (const [each, list] of loads) {
        progress(`${log}: ${each} times the peak, round ${round} of ${rounds}`);
        const loadMs = durationMs * longer;
        const perSecond = peakPerSecond * each;
        const due = poissonArrivals({ perSecond, durationMs: loadMs, random });
        const given = { due, durationMs: loadMs, normalMs: p99Ms * normalTimes };
        list.push({ times: each, ...(await loaded(cluster, given)) });
      }
    }
    return { log, peakPerSecond, loads };
  } finally {
    await cluster.remove();
  }
}

async function loaded(
  cluster: BenchCluster,
  given: {
    readonly due: readonly number[];
    readonly durationMs: number;
    readonly normalMs: number;
  },
): Promise<Omit<Load, 'times'>> {
  const { due, durationMs, normalMs } = given;
  const ended: Ended[] = [];
  const allSent = Promise.withResolvers<void>();
  let sent = 0;
  const load: Promise<OpenMeasured> = runOpenLoop({
    due,
    durationMs,
    one: async ({ dueMs, startMs }) => {
      sent += 1;
      if (sent === due.length) allSent.resolve();
      const end = await endOf(cluster);
      ended.push({ dueMs, endedMs: performance.now() - startMs, ...end });
    },
  });
  const recovered = allSent.promise.then(() => recoveredMs(cluster, normalMs));
  const { offeredPerSecond, lateMs } = await load;
  const window = { fromMs: durationMs * fillPart, toMs: durationMs };
  return {
    ...goodputOf(ended, window),
    offeredPerSecond,
    lateMs,
    recoveredMs: await recovered,
  };
}

async function endOf({ client, names }: BenchCluster): Promise<Pick<Ended, 'refusal' | 'epoch'>> {
  try {
    const branches = names.map((participant) => ({ participant, payload }));
    const outcome = await client.transact({ branches });
    if (outcome.outcome === 'committed') return { refusal: null, epoch: epochOf(outcome.txid) };
    return { refusal: outcome.reason, epoch: null };
  } catch (error) {
    const asked = error instanceof Error && 'retryAfterMs' in error ? error.retryAfterMs : null;
    const refusal: Refusal = {
      code: nameOf(error),
      retryAfterMs: typeof asked === 'number' ? asked : undefined,
    };
    return { refusal, epoch: null };
  }
}

async function recoveredMs(cluster: BenchCluster, normalMs: number): Promise<number> {
  const fromMs = performance.now();
  const since = (): number => performance.now() - fromMs;
  while (since() < recoveryTimeoutMs) {
    const sentMs = since();
    const { refusal } = await endOf(cluster);
    if (refusal === null && since() - sentMs <= normalMs) return since();
    await pause(retryMs);
  }
  return Number.NaN;
}

const middle = (loads: readonly Load[], value: (load: Load) => number): number =>
  median(loads.map(value));

function findingsOf(all: readonly OfLog[]): Findings {
  return {
    tables: all.flatMap((each) => [tableOf(each), ...refusalsOf(each)]),
    charts: [
      {
        name: 'overload',
        title: 'Goodput past capacity',
        x: { title: 'offered, times the peak', scale: 'linear' },
        y: { title: 'committed, % of the peak', scale: 'linear' },
        lines: all.map(({ log, peakPerSecond, loads }) => ({
          name: log,
          points: [...loads].map(([x, list]) => ({
            x,
            y: (middle(list, (load) => load.committedPerSecond) / peakPerSecond) * 100,
          })),
        })),
      },
    ],
    targets: all.flatMap(targetsOf),
  };
}

function tableOf({ log, peakPerSecond, loads }: OfLog): Table {
  return {
    title: `Past capacity, ${log}; the peak is ${peakPerSecond.toFixed(0)} tx/s`,
    columns: [
      'times the peak',
      'offered tx/s',
      'committed tx/s',
      'of the peak %',
      'refused %',
      'told when to retry %',
      'p50 ms',
      'p99 ms',
      'sent late ms',
      'leader changes',
      'recovered ms',
    ],
    rows: [...loads].map(([each, list]) => {
      const of = (value: (load: Load) => number): number => middle(list, value);
      const committed = of((load) => load.committedPerSecond);
      return [
        each,
        Math.round(of((load) => load.offeredPerSecond)),
        committed,
        Math.floor((committed / peakPerSecond) * 100),
        of((load) => load.refusedPart * 100),
        of((load) => load.toldPart * 100),
        of((load) => load.p50Ms),
        of((load) => load.p99Ms),
        of((load) => load.lateMs),
        changes(list),
        of((load) => load.recoveredMs),
      ];
    }),
  };
}

/** Of all rounds. */
const changes = (list: readonly Load[]): number =>
  list.reduce((sum, { leaderChanges }) => sum + leaderChanges, 0);

function refusalsOf({ log, loads }: OfLog): Table[] {
  const rows = [...loads].flatMap(([each, list]) => {
    const counts = new Map<string, number>();
    for (const [code, count] of list.flatMap(({ refusals }) => Object.entries(refusals))) {
      counts.set(code, (counts.get(code) ?? 0) + count);
    }
    return [...counts].map(([code, count]) => [each, code, count]);
  });
  if (rows.length === 0) return [];
  return [{ title: `Refused, ${log}`, columns: ['times the peak', 'with', 'count'], rows }];
}

function targetsOf({ log, peakPerSecond, loads }: OfLog): Target[] {
  const most = times.at(-1) ?? 1;
  const list = loads.get(most) ?? [];
  const part = middle(list, (load) => load.committedPerSecond) / peakPerSecond;
  const recovered = middle(list, (load) => load.recoveredMs);
  const changed = [...loads.values()].reduce((sum, each) => sum + changes(each), 0);
  return [
    {
      what: `Goodput at ${most} times the peak, ${log}`,
      aim: `>= ${leastGoodput * 100} % of the peak`,
      measured: `${Math.floor(part * 100)} %`,
      met: part >= leastGoodput,
    },
    {
      what: `Leader changes past capacity, ${log}`,
      aim: '0',
      measured: String(changed),
      met: changed === 0,
    },
    {
      what: `From the end of ${most} times the peak to an answer as fast as before, ${log}`,
      aim: `<= ${mostRecoveryMs} ms`,
      measured: Number.isFinite(recovered)
        ? `${recovered.toFixed(0)} ms`
        : `not in ${recoveryTimeoutMs / 1_000} s`,
      met: recovered <= mostRecoveryMs,
    },
  ];
}
