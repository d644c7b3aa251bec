/** What a transaction costs in CPU, process by process. */
import { join } from 'node:path';
import process from 'node:process';
import { pause } from '../../support/process/child.ts';
import { closedLoop, median } from '../load.ts';
import { BenchCluster, type LogKind, logKinds, startEtcd, warmUp } from '../rig/bench-cluster.ts';
import { SkeletonCluster } from '../rig/skeleton-cluster.ts';
import { cpuMsOf } from '../rig/usage.ts';
import type { Chart, Section, SectionGiven, Table, Target } from './section.ts';

const levels = [1, 64, 256];
const whos = ['Verdict', 'skeleton'] as const;
const mostMs = 3;
const warmUpPart = 0.5;
/** What the transactions before still cost: acknowledgements, records that move. */
const restMs = 300;

/** In milliseconds of CPU. */
interface Cost {
  readonly leader: number;
  readonly participants: number;
  readonly client: number;
  readonly etcd: number;
}

/** Verdict or its skeleton, at work. */
interface Running {
  readonly leaderPid: number;
  readonly servicesPids: readonly number[];
  /** Null where there is none. */
  readonly etcdPid: number | null;
  committed(): number;
  transact(): Promise<void>;
  warmUp(): Promise<unknown>;
  remove(): Promise<void>;
}

interface OfLog {
  readonly log: LogKind;
  readonly who: (typeof whos)[number];
  /** Of a second in which nothing is asked for. */
  readonly idle: Cost;
  readonly perTransaction: ReadonlyMap<number, Cost>;
}

export const cpu: Section = {
  name: 'cpu',
  title: 'CPU for a transaction',
  about:
    'User and system time of each process, as the system counts it, over closed loops of ' +
    'transactions with three branches, by the number of transactions: the leader, the one process ' +
    'of all three participants, the client, and etcd where it is the log. What follows the answer ' +
    'is counted too, and so is what each process uses when nothing is asked for, which is shown ' +
    'beside it; and what the skeleton uses, which sends the same and flushes as often. Medians of ' +
    'the rounds.',
  run: async (given) => {
    const all: OfLog[] = [];
    for (const log of logKinds) {
      for (const who of whos) all.push(await measured(given, log, who));
    }
    const verdict = all.filter(({ who }) => who === 'Verdict');
    return { tables: all.map(tableOf), charts: [chartOf(verdict)], targets: verdict.map(targetOf) };
  },
};

async function measured(given: SectionGiven, log: LogKind, who: OfLog['who']): Promise<OfLog> {
  const { durationMs, rounds, progress } = given;
  const cluster = await (who === 'Verdict' ? verdictAt(given, log) : skeletonAt(given, log));
  const one = (): Promise<void> => cluster.transact();
  try {
    progress(`${log}, ${who}: warming up`);
    await cluster.warmUp();
    const idle: Cost[] = [];
    const costs = new Map<number, Cost[]>(levels.map((inFlight) => [inFlight, []]));
    for (let round = 1; round <= rounds; round += 1) {
      progress(`${log}, ${who}: idle, round ${round} of ${rounds}`);
      await pause(restMs);
      const waited = await spent(cluster, () => pause(durationMs));
      idle.push(map((part) => (waited[part] / durationMs) * 1_000));
      for (const [inFlight, list] of costs) {
        progress(`${log}, ${who}: ${inFlight} in flight, round ${round} of ${rounds}`);
        await closedLoop({ inFlight, durationMs: durationMs * warmUpPart, one });
        await pause(restMs);
        const before = cluster.committed();
        const worked = await spent(cluster, async () => {
          await closedLoop({ inFlight, durationMs, one });
          await pause(restMs);
        });
        list.push(map((part) => worked[part] / (cluster.committed() - before)));
      }
    }
    const perTransaction = new Map([...costs].map(([inFlight, list]) => [inFlight, middle(list)]));
    return { log, who, idle: middle(idle), perTransaction };
  } finally {
    await cluster.remove();
  }
}

async function verdictAt(given: SectionGiven, log: LogKind): Promise<Running> {
  const cluster = await BenchCluster.started({ log, directory: join(given.directory, log) });
  return {
    leaderPid: cluster.leader.child.pid,
    servicesPids: cluster.services.map(({ pid }) => pid),
    etcdPid: cluster.etcd?.member.pid ?? null,
    committed: () => cluster.committed,
    transact: () => cluster.transact(),
    warmUp: () => cluster.warmUp(given),
    remove: () => cluster.remove(),
  };
}

async function skeletonAt(given: SectionGiven, log: LogKind): Promise<Running> {
  const directory = join(given.directory, `${log}-skeleton`);
  const etcd = log === 'one etcd' ? await startEtcd() : null;
  try {
    const cluster = await SkeletonCluster.started({
      log: etcd === null ? 'embedded' : 'etcd',
      place: etcd === null ? join(directory, 'log') : etcd.member.endpoint,
      directory: join(directory, 'services'),
      participants: ['a', 'b', 'c'],
    });
    return {
      leaderPid: cluster.leader.pid,
      servicesPids: [cluster.services.pid],
      etcdPid: etcd?.member.pid ?? null,
      committed: () => cluster.committed,
      transact: () => cluster.transact(),
      warmUp: () => warmUp(cluster, given),
      remove: async () => {
        await cluster.remove();
        await etcd?.dispose();
      },
    };
  } catch (error) {
    await etcd?.dispose();
    throw error;
  }
}

async function spent(cluster: Running, work: () => Promise<void>): Promise<Cost> {
  const before = used(cluster);
  await work();
  const after = used(cluster);
  return map((of) => after[of] - before[of]);
}

function used({ leaderPid, servicesPids, etcdPid }: Running): Cost {
  const { user, system } = process.cpuUsage();
  return {
    leader: cpuMsOf(leaderPid),
    participants: servicesPids.reduce((sum, pid) => sum + cpuMsOf(pid), 0),
    client: (user + system) / 1_000,
    etcd: etcdPid === null ? 0 : cpuMsOf(etcdPid),
  };
}

function map(each: (of: keyof Cost) => number): Cost {
  return {
    leader: each('leader'),
    participants: each('participants'),
    client: each('client'),
    etcd: each('etcd'),
  };
}

const middle = (list: readonly Cost[]): Cost => map((of) => median(list.map((each) => each[of])));
const total = ({ leader, participants, client, etcd }: Cost): number =>
  leader + participants + client + etcd;

function tableOf({ log, who, idle, perTransaction }: OfLog): Table {
  const cells = (cost: Cost): (number | null)[] => [
    cost.leader,
    cost.participants,
    cost.client,
    log === 'embedded' ? null : cost.etcd,
    total(cost),
  ];
  return {
    title: `CPU of ${who}, ${log}: ms for a transaction`,
    columns: ['in flight', 'leader ms', 'participants ms', 'client ms', 'etcd ms', 'all ms'],
    rows: [
      ...[...perTransaction].map(([inFlight, cost]) => [inFlight, ...cells(cost)]),
      ['idle, for a second', ...cells(idle)],
    ],
  };
}

function chartOf(all: readonly OfLog[]): Chart {
  const lines = all.flatMap(({ log, perTransaction }) => {
    const line = (name: string, value: (cost: Cost) => number) => ({
      name: `${log}, ${name}`,
      points: [...perTransaction].map(([inFlight, cost]) => ({ x: inFlight, y: value(cost) })),
    });
    return [line('leader', ({ leader }) => leader), line('all processes', total)];
  });
  return {
    name: 'cpu',
    title: 'CPU for a transaction',
    x: { title: 'in flight', scale: 'logarithmic' },
    y: { title: 'CPU, ms', scale: 'logarithmic' },
    lines,
  };
}

function targetOf({ log, perTransaction }: OfLog): Target {
  const ms = total(perTransaction.get(1) ?? map(() => Number.NaN));
  return {
    what: `CPU of a transaction at 1 in flight, all processes, ${log}`,
    aim: `< ${mostMs} ms`,
    measured: `${ms.toFixed(2)} ms`,
    met: ms < mostMs,
  };
}
