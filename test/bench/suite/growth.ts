/** Ten and a hundred times as much of everything: what it costs. */
import { join } from 'node:path';
import { someOf } from '../../support/participants/services.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';
import { closedLoop, type Measured, median, medians } from '../load.ts';
import { BenchCluster, probed } from '../rig/bench-cluster.ts';
import type { HeldMemory } from '../rig/probe.ts';
import { heldMemoryOf } from '../rig/usage.ts';
import type { Chart, Section, SectionGiven, Table } from './section.ts';

const base = { participants: 3, clients: 2, inFlight: 8 } as const;
const usualTimes = [1, 10, 100];
const quickTimes = [1, 10];
const branches = 3;
const processes = 4;
const warmUpPart = 0.5;

type Dimension = keyof typeof base;
type Size = Readonly<Record<Dimension, number>>;

interface OfRound {
  readonly measured: Measured;
  /** By the leader, after it. */
  readonly held: HeldMemory;
}

interface Grown extends OfRound {
  readonly what: Dimension | 'all';
  readonly times: number;
  readonly size: Size;
}

const words: Readonly<Record<Grown['what'], string>> = {
  participants: 'participants',
  clients: 'clients',
  inFlight: 'transactions in flight',
  all: 'all three',
};

export const growth: Section = {
  name: 'growth',
  title: 'Growth',
  about:
    `${base.participants} participants, ${base.clients} clients and ${base.inFlight} transactions ` +
    'in flight, then each of them, and all, ten and a hundred times; the embedded log, three ' +
    'branches a transaction at participants by chance. One leader for each number of ' +
    'participants; what it holds is read after a collection of garbage. Medians of the rounds.',
  run: async (given) => {
    const grown: Grown[] = [];
    for (const factor of timesOf(given)) grown.push(...(await atParticipants(given, factor)));
    return { tables: [tableOf(grown)], charts: [chartOf(grown)], targets: [] };
  },
};

const timesOf = ({ quick }: Pick<SectionGiven, 'quick'>): readonly number[] =>
  quick ? quickTimes : usualTimes;

/** Everything that is measured at so many participants. */
function sizesAt(
  factor: number,
  times: readonly number[],
): readonly Pick<Grown, 'what' | 'times' | 'size'>[] {
  const participants = base.participants * factor;
  const size = (more: Partial<Size>): Size => ({ ...base, participants, ...more });
  if (factor > 1) {
    const all = { clients: base.clients * factor, inFlight: base.inFlight * factor };
    return [
      { what: 'participants', times: factor, size: size({}) },
      { what: 'all', times: factor, size: size(all) },
    ];
  }
  return [
    { what: 'all', times: 1, size: size({}) },
    ...(['clients', 'inFlight'] as const).flatMap((what) =>
      times
        .filter((each) => each > 1)
        .map((each) => ({ what, times: each, size: size({ [what]: base[what] * each }) })),
    ),
  ];
}

async function atParticipants(
  given: SectionGiven,
  participantTimes: number,
): Promise<readonly Grown[]> {
  const { directory, durationMs, rounds, progress } = given;
  const participants = base.participants * participantTimes;
  progress(`${participants} participants start`);
  const cluster = await BenchCluster.started({
    log: 'embedded',
    directory: join(directory, `${participants}`),
    participants: Array.from({ length: participants }, (_, index) => `p${index}`),
    processes: Math.min(processes, participants),
    clients: base.clients,
    through: (process) => (process === 'leader' ? probed : []),
  });
  const random = seededRandom(17);
  const one = (): Promise<void> => cluster.transact(someOf(cluster.names, branches, random));
  try {
    const all = sizesAt(participantTimes, timesOf(given)).map((size) => ({
      ...size,
      ofRounds: [] as OfRound[],
    }));
    for (let round = 1; round <= rounds; round += 1) {
      for (const { what, times: factor, size, ofRounds } of all) {
        progress(`${words[what]} times ${factor}, round ${round} of ${rounds}`);
        await cluster.haveClients(size.clients);
        const warmUpMs = durationMs * warmUpPart;
        const loop = { inFlight: size.inFlight, durationMs, warmUpMs, one, tolerant: true };
        const measured = await closedLoop(loop);
        ofRounds.push({ measured, held: await heldMemoryOf(cluster.leader.child) });
      }
    }
    return all.map(({ ofRounds, ...rest }) => ({
      ...rest,
      measured: medians(ofRounds.map(({ measured }) => measured)),
      held: {
        heapBytes: median(ofRounds.map(({ held }) => held.heapBytes)),
        rssBytes: median(ofRounds.map(({ held }) => held.rssBytes)),
      },
    }));
  } finally {
    await cluster.remove();
  }
}

function tableOf(grown: readonly Grown[]): Table {
  return {
    title: 'Growth, embedded',
    columns: [
      'grown',
      'times',
      'participants',
      'clients',
      'in flight',
      'tx/s',
      'p50 ms',
      'p99 ms',
      'failed',
      'leader heap MB',
      'leader RSS MB',
    ],
    rows: grown.map(({ what, times: factor, size, measured, held }) => [
      factor === 1 ? 'nothing' : words[what],
      factor,
      size.participants,
      size.clients,
      size.inFlight,
      measured.perSecond,
      measured.p50Ms,
      measured.p99Ms,
      measured.failed,
      held.heapBytes / 1_000_000,
      held.rssBytes / 1_000_000,
    ]),
  };
}

function chartOf(grown: readonly Grown[]): Chart {
  const line = (what: Grown['what']): Chart['lines'][number] => ({
    name: words[what],
    points: grown
      .filter((each) => each.what === what || each.times === 1)
      .map(({ times: factor, measured }) => ({ x: factor, y: measured.perSecond })),
  });
  return {
    name: 'growth',
    title: 'Throughput as things grow',
    x: { title: 'times as many', scale: 'logarithmic' },
    y: { title: 'transactions a second', scale: 'linear' },
    lines: (['participants', 'clients', 'inFlight', 'all'] as const).map(line),
  };
}
