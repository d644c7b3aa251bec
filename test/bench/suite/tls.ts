/** What it costs to speak TLS, to show certificates, and to have rights looked up. */
import { join } from 'node:path';
import process from 'node:process';
import { pause } from '../../support/process/child.ts';
import { closedLoop, median } from '../load.ts';
import { BenchCluster, type LogKind, logKinds } from '../rig/bench-cluster.ts';
import { cpuMsOf } from '../rig/usage.ts';
import type { Findings, Section, SectionGiven, Table, Target } from './section.ts';

const many = 256;
const levels = [1, many];
const ways = ['without', 'with TLS'] as const;
type Way = (typeof ways)[number];
const warmUpPart = 0.3;
/** What the transactions before still cost. */
const restMs = 300;
const leastPart = 0.85;

interface Figures {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Milliseconds of CPU for a transaction. */
  readonly leaderMs: number;
  readonly participantsMs: number;
  readonly clientMs: number;
}
type Round = ReadonlyMap<number, Readonly<Record<Way, Figures>>>;

interface OfLog {
  readonly log: LogKind;
  readonly rounds: readonly Round[];
}

export const tls: Section = {
  name: 'tls',
  title: 'With TLS and identities',
  about:
    'Closed loops of transactions with three branches, on two nodes in turns: one as without ' +
    'options, and one that speaks TLS, asks for the certificate of each peer, and looks up in an ' +
    'access file what it may do. The share is of the same round. CPU is user and system time of ' +
    'each process, by the number of transactions.',
  run: async (given) => {
    const all: OfLog[] = [];
    for (const log of logKinds) all.push(await measured(given, log));
    return findingsOf(all);
  },
};

async function measured(given: SectionGiven, log: LogKind): Promise<OfLog> {
  const { rounds, progress } = given;
  const clusters = new Map<Way, BenchCluster>();
  try {
    for (const way of ways) {
      progress(`${log}, ${way}: warming up`);
      const directory = join(given.directory, `${log}-${way}`.replaceAll(' ', '-'));
      const cluster = await BenchCluster.started({
        ...{ log, directory },
        ...(way === 'with TLS' ? { proof: 'certificates' } : {}),
      });
      clusters.set(way, cluster);
      await cluster.warmUp(given);
    }
    const found: Round[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      const inFlights = new Map<number, Record<Way, Figures>>();
      for (const inFlight of levels) {
        const both = {} as Record<Way, Figures>;
        // Whoever is first has what the other left behind: they take turns in that as well.
        for (const way of round % 2 === 1 ? ways : ways.toReversed()) {
          progress(`${log}, ${way}, ${inFlight} in flight, round ${round} of ${rounds}`);
          const cluster = clusters.get(way) as BenchCluster;
          both[way] = await figuresOf(cluster, inFlight, given.durationMs);
        }
        inFlights.set(inFlight, both);
      }
      found.push(inFlights);
    }
    return { log, rounds: found };
  } finally {
    for (const cluster of clusters.values()) await cluster.remove();
  }
}

async function figuresOf(
  cluster: BenchCluster,
  inFlight: number,
  durationMs: number,
): Promise<Figures> {
  const one = (): Promise<void> => cluster.transact();
  await closedLoop({ inFlight, durationMs: durationMs * warmUpPart, one });
  await pause(restMs);
  const before = used(cluster);
  const { perSecond, p50Ms, p99Ms } = await closedLoop({ inFlight, durationMs, one });
  await pause(restMs);
  const after = used(cluster);
  const of = (what: keyof typeof before): number =>
    (after[what] - before[what]) / (after.count - before.count);
  return {
    ...{ perSecond, p50Ms, p99Ms },
    ...{ leaderMs: of('leader'), participantsMs: of('participants'), clientMs: of('client') },
  };
}

function used({ leader, services, committed }: BenchCluster) {
  const { user, system } = process.cpuUsage();
  return {
    count: committed,
    leader: cpuMsOf(leader.child.pid),
    participants: services.reduce((sum, { pid }) => sum + cpuMsOf(pid), 0),
    client: (user + system) / 1_000,
  };
}

function middle({ rounds }: OfLog, inFlight: number, way: Way, of: keyof Figures): number {
  return median(rounds.map((round) => round.get(inFlight)?.[way][of] ?? Number.NaN));
}

/** Of the throughput without. */
function partOf({ rounds }: OfLog, inFlight: number): number {
  const parts = rounds.map((round) => {
    const both = round.get(inFlight);
    return both === undefined ? Number.NaN : both['with TLS'].perSecond / both.without.perSecond;
  });
  return median(parts);
}

function findingsOf(all: readonly OfLog[]): Findings {
  return { tables: all.map(tableOf), charts: [], targets: all.map(targetOf) };
}

function tableOf(found: OfLog): Table {
  const figures = [
    ...(['perSecond', 'p50Ms', 'p99Ms', 'leaderMs', 'participantsMs', 'clientMs'] as const),
  ];
  return {
    title: `With TLS and identities, ${found.log}`,
    columns: [
      'in flight',
      '',
      'tx/s',
      'p50 ms',
      'p99 ms',
      'leader CPU ms',
      'participants CPU ms',
      'client CPU ms',
      'of the throughput without %',
    ],
    rows: levels.flatMap((inFlight) =>
      ways.map((way) => [
        inFlight,
        way,
        ...figures.map((of) => middle(found, inFlight, way, of)),
        way === 'without' ? null : Math.floor(partOf(found, inFlight) * 100),
      ]),
    ),
  };
}

function targetOf(found: OfLog): Target {
  const part = partOf(found, many);
  return {
    what: `Throughput with TLS and identities at ${many} in flight, ${found.log}`,
    aim: `>= ${leastPart * 100} % of without`,
    measured: `${Math.floor(part * 100)} %`,
    met: part >= leastPart,
  };
}
