/** Messages and flushes of a transaction beside the skeleton: that it does no more than needed. */
import { join } from 'node:path';
import type { Child } from '../../support/process/child.ts';
import { pause } from '../../support/process/child.ts';
import { closedLoop } from '../load.ts';
import { BenchCluster, probed } from '../rig/bench-cluster.ts';
import { canCountFlushes, FlushCounter } from '../rig/flushes.ts';
import type { Traffic } from '../rig/probe.ts';
import { SkeletonCluster } from '../rig/skeleton-cluster.ts';
import { trafficOf } from '../rig/usage.ts';
import type { SectionGiven, Table } from './section.ts';

const levels = [1, 256];
const names = ['a', 'b', 'c'];
/** What was not waited for: acknowledgements, and records that go. */
const restMs = 1_000;

type Process = 'leader' | 'participants';

interface Running {
  readonly leader: Child;
  committed: number;
  transact(): Promise<void>;
  remove(): Promise<void>;
}

/** For a transaction, by what it is of. */
type Counted = ReadonlyMap<string, number>;

export async function besideSkeleton(given: SectionGiven): Promise<Table> {
  const flushes = (await canCountFlushes()) ? new FlushCounter(given.directory) : null;
  const through =
    (of: string) =>
    (process: string): readonly string[] => [
      ...(flushes?.through(`${of}-${process}`) ?? []),
      ...(process === 'leader' ? probed : []),
    ];
  const counter =
    (of: string) =>
    (process: Process): number =>
      flushes?.count(`${of}-${process}`) ?? Number.NaN;
  const directory = (of: string): string => join(given.directory, of);
  const verdict = await counted(given, {
    name: 'Verdict',
    flushes: counter('verdict'),
    start: async () => {
      const cluster = await BenchCluster.started({
        log: 'embedded',
        directory: directory('verdict'),
        participants: names,
        through: through('verdict'),
      });
      return withLeader(cluster, cluster.leader.child);
    },
  });
  const skeleton = await counted(given, {
    name: 'skeleton',
    flushes: counter('skeleton'),
    start: () =>
      SkeletonCluster.started({
        log: 'embedded',
        place: directory('skeleton-log'),
        directory: directory('skeleton'),
        participants: names,
        through: through('skeleton'),
      }),
  });
  return tableOf(verdict, skeleton);
}

function withLeader(cluster: BenchCluster, leader: Child): Running {
  return {
    leader,
    get committed() {
      return cluster.committed;
    },
    transact: () => cluster.transact(),
    remove: () => cluster.remove(),
  };
}

async function counted(
  { durationMs, progress }: SectionGiven,
  given: {
    readonly name: string;
    readonly flushes: (process: Process) => number;
    readonly start: () => Promise<Running>;
  },
): Promise<ReadonlyMap<number, Counted>> {
  const { name, flushes } = given;
  const cluster = await given.start();
  try {
    const all = new Map<number, Counted>();
    for (const inFlight of levels) {
      progress(`messages of ${name}, ${inFlight} in flight`);
      await pause(restMs);
      const before = { leader: flushes('leader'), participants: flushes('participants') };
      const first = cluster.committed;
      const [traffic] = await trafficOf([cluster.leader], async () => {
        await closedLoop({ inFlight, durationMs, one: () => cluster.transact() });
        await pause(restMs);
      });
      if (traffic === undefined) throw new Error('The leader counted nothing.');
      const count = cluster.committed - first;
      const sums = [
        ...messages(traffic),
        ['flushes of the leader', flushes('leader') - before.leader],
        ['flushes of the participants', flushes('participants') - before.participants],
      ] as const;
      all.set(inFlight, new Map(sums.map(([what, sum]) => [what, sum / count])));
    }
    return all;
  } finally {
    await cluster.remove();
  }
}

function messages(traffic: Traffic): (readonly [string, number])[] {
  const { sent, received, framesSent, framesReceived, bytesSent, bytesReceived } = traffic;
  return [
    ...Object.entries(received).map(([type, count]) => [`received: ${type}`, count] as const),
    ...Object.entries(sent).map(([type, count]) => [`sent: ${type}`, count] as const),
    ['frames received', framesReceived],
    ['frames sent', framesSent],
    ['bytes received', bytesReceived],
    ['bytes sent', bytesSent],
  ];
}

function tableOf(
  verdict: ReadonlyMap<number, Counted>,
  skeleton: ReadonlyMap<number, Counted>,
): Table {
  const sides = levels.flatMap((inFlight) => [
    { name: `Verdict, ${inFlight} in flight`, counted: verdict.get(inFlight) },
    { name: `skeleton, ${inFlight} in flight`, counted: skeleton.get(inFlight) },
  ]);
  const whats = new Set(sides.flatMap((side) => [...(side.counted?.keys() ?? [])]));
  const cell = (value: number | undefined): number | null =>
    value === undefined || Number.isNaN(value) ? null : value;
  return {
    title: 'Messages at the leader and flushes for a transaction, beside the skeleton, embedded',
    columns: ['what', ...sides.map(({ name }) => name)],
    rows: [...whats].map((what) => [what, ...sides.map((side) => cell(side.counted?.get(what)))]),
  };
}
