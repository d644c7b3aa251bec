/** Where the processor time of a transaction goes: part by part, and function by function. */
import { join } from 'node:path';
import { closedLoop } from '../load.ts';
import { BenchCluster, probed, warmUp } from '../rig/bench-cluster.ts';
import type { SelfTime } from '../rig/probe.ts';
import { SkeletonCluster } from '../rig/skeleton-cluster.ts';
import { profilesOf } from '../rig/usage.ts';
import type { Section, SectionGiven, Table } from './section.ts';

const inFlight = 256;
/** Of a measurement: rare functions are to be seen. */
const longer = 5;
const functions = 12;

/** In the order of the table. Who comes first takes the function. */
const parts: readonly { readonly name: string; readonly has: (self: SelfTime) => boolean }[] = [
  { name: 'garbage collection', has: (self) => self.function === '(garbage collector)' },
  { name: 'msgpackr', has: ({ file }) => file.includes('/node_modules/msgpackr/') },
  { name: 'ws', has: ({ file }) => file.includes('/node_modules/ws/') },
  { name: 'lmdb', has: ({ file }) => file.includes('/node_modules/lmdb/') },
  { name: 'other packages', has: ({ file }) => file.includes('/node_modules/') },
  { name: "Node's own: sockets, timers, promises", has: ({ file }) => file.startsWith('node:') },
  { name: 'native: system calls, flushes, copies', has: ({ file }) => file === '' },
  { name: 'src/core', has: ({ file }) => file.includes('/src/core/') },
  {
    name: 'src/coordinator, src/node',
    has: ({ file }) => /\/src\/(coordinator|node)\//.test(file),
  },
  { name: 'src/participant', has: ({ file }) => file.includes('/src/participant/') },
  {
    name: 'src/decision-log, src/journal, src/store',
    has: ({ file }) => /\/src\/(decision-log|journal|store)\//.test(file),
  },
  {
    name: 'src/peer, src/transport, src/wire',
    has: ({ file }) => /\/src\/(peer|transport|wire)\//.test(file),
  },
  { name: 'everything else', has: () => true },
];

interface Profiled {
  readonly transactions: number;
  readonly leader: readonly SelfTime[];
  readonly participants: readonly SelfTime[];
}

export const profile: Section = {
  name: 'profile',
  title: 'Where the time goes',
  about:
    `The main threads of the leader and of the one process of all three participants, sampled over ` +
    `a closed loop of ${inFlight} in flight on the embedded log, by where they were: in which part, ` +
    'and at last in which functions. In microseconds of a transaction; what waits is not counted. ' +
    'The skeleton, which sends and flushes as much and knows nothing else, beside it. Sampling ' +
    'costs some time of its own.',
  run: async (given) => {
    const verdict = await ofVerdict(given);
    const skeleton = await ofSkeleton(given);
    return {
      tables: [
        partsOf(verdict, skeleton),
        functionsOf('the leader', verdict.leader, verdict.transactions),
        functionsOf('the participants', verdict.participants, verdict.transactions),
      ],
      charts: [],
      targets: [],
    };
  },
};

async function ofVerdict(given: SectionGiven): Promise<Profiled> {
  const directory = join(given.directory, 'verdict');
  const cluster = await BenchCluster.started({ log: 'embedded', directory, through: () => probed });
  try {
    given.progress('Verdict');
    await cluster.warmUp(given);
    const [service] = cluster.services;
    if (service === undefined) throw new Error('The participants are missing.');
    const one = (): Promise<void> => cluster.transact();
    const loop = { ...given, one, done: () => cluster.committed };
    return await sampled(loop, [cluster.leader.child, service]);
  } finally {
    await cluster.remove();
  }
}

async function ofSkeleton(given: SectionGiven): Promise<Profiled> {
  const cluster = await SkeletonCluster.started({
    log: 'embedded',
    place: join(given.directory, 'skeleton-log'),
    directory: join(given.directory, 'skeleton'),
    participants: ['a', 'b', 'c'],
    through: () => probed,
  });
  try {
    given.progress('the skeleton');
    await warmUp(cluster, given);
    const one = (): Promise<void> => cluster.transact();
    const loop = { ...given, one, done: () => cluster.committed };
    return await sampled(loop, [cluster.leader, cluster.services]);
  } finally {
    await cluster.remove();
  }
}

async function sampled(
  loop: Pick<SectionGiven, 'durationMs'> & {
    readonly one: () => Promise<void>;
    readonly done: () => number;
  },
  children: Parameters<typeof profilesOf>[0],
): Promise<Profiled> {
  const { one, done } = loop;
  const durationMs = loop.durationMs * longer;
  await closedLoop({ inFlight, durationMs: loop.durationMs, one });
  const before = done();
  const [leader = [], participants = []] = await profilesOf(children, async () => {
    await closedLoop({ inFlight, durationMs, one });
  });
  return { transactions: done() - before, leader, participants };
}

/** Neither waiting nor sampling. */
const works = ({ function: name, file }: SelfTime): boolean =>
  name !== '(idle)' && !file.startsWith('node:inspector');

/** In microseconds of a transaction, by the names in the order of `parts`. */
export function byPart(all: readonly SelfTime[]): ReadonlyMap<string, number> {
  const sums = new Map(parts.map(({ name }) => [name, 0]));
  for (const self of all.filter(works)) {
    const name = parts.find(({ has }) => has(self))?.name ?? '';
    sums.set(name, (sums.get(name) ?? 0) + self.us);
  }
  return sums;
}

function partsOf(verdict: Profiled, skeleton: Profiled): Table {
  const columns = [
    { of: verdict, sums: byPart(verdict.leader) },
    { of: skeleton, sums: byPart(skeleton.leader) },
    { of: verdict, sums: byPart(verdict.participants) },
    { of: skeleton, sums: byPart(skeleton.participants) },
  ];
  const row = (name: string, sum: (sums: ReadonlyMap<string, number>) => number) => [
    name,
    ...columns.map(({ of, sums }) => sum(sums) / of.transactions),
  ];
  return {
    title: `Microseconds of a transaction of three branches, ${inFlight} in flight, embedded`,
    columns: ['part', 'leader', "skeleton's leader", 'participants', "skeleton's participants"],
    rows: [
      ...parts.map(({ name }) => row(name, (sums) => sums.get(name) ?? 0)),
      row('all', (sums) => [...sums.values()].reduce((sum, each) => sum + each, 0)),
    ],
  };
}

function functionsOf(who: string, all: readonly SelfTime[], transactions: number): Table {
  const sums = new Map<string, number>();
  let whole = 0;
  for (const self of all.filter(works)) {
    const name = shown(self);
    sums.set(name, (sums.get(name) ?? 0) + self.us);
    whole += self.us;
  }
  const most = [...sums].sort(([, a], [, b]) => b - a).slice(0, functions);
  return {
    title: `The ${functions} functions in which ${who} spent most themselves`,
    columns: ['function', 'us of a transaction', 'of all %'],
    rows: most.map(([name, us]) => [name, us / transactions, (us / whole) * 100]),
  };
}

function shown({ function: name, file, line }: SelfTime): string {
  if (file === '') return name;
  const place = `${file.split('/').slice(-2).join('/')}:${line}`;
  return name === '' ? place : `${name}, ${place}`;
}
