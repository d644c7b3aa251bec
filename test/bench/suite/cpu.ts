/** What a transaction costs in CPU, process by process. */
import { join } from 'node:path';
import process from 'node:process';
import { pause } from '../../support/process/child.ts';
import { closedLoop, median } from '../load.ts';
import { BenchCluster, type LogKind, logKinds } from '../rig/bench-cluster.ts';
import { cpuMsOf } from '../rig/usage.ts';
import type { Chart, Section, SectionGiven, Table, Target } from './section.ts';

const levels = [1, 64, 256];
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

interface OfLog {
  readonly log: LogKind;
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
    'beside it. Medians of the rounds.',
  run: async (given) => {
    const all: OfLog[] = [];
    for (const log of logKinds) all.push(await measured(given, log));
    return { tables: all.map(tableOf), charts: [chartOf(all)], targets: all.map(targetOf) };
  },
};

async function measured(given: SectionGiven, log: LogKind): Promise<OfLog> {
  const { durationMs, rounds, progress } = given;
  const cluster = await BenchCluster.started({ log, directory: join(given.directory, log) });
  const one = (): Promise<void> => cluster.transact();
  try {
    await cluster.warmUp(given);
    const idle: Cost[] = [];
    const costs = new Map<number, Cost[]>(levels.map((inFlight) => [inFlight, []]));
    for (let round = 1; round <= rounds; round += 1) {
      progress(`${log}: idle, round ${round} of ${rounds}`);
      await pause(restMs);
      const waited = await spent(cluster, () => pause(durationMs));
      idle.push(map((of) => (waited[of] / durationMs) * 1_000));
      for (const [inFlight, list] of costs) {
        progress(`${log}: ${inFlight} in flight, round ${round} of ${rounds}`);
        await closedLoop({ inFlight, durationMs: durationMs * warmUpPart, one });
        await pause(restMs);
        const before = cluster.committed;
        const worked = await spent(cluster, async () => {
          await closedLoop({ inFlight, durationMs, one });
          await pause(restMs);
        });
        list.push(map((of) => worked[of] / (cluster.committed - before)));
      }
    }
    const perTransaction = new Map([...costs].map(([inFlight, list]) => [inFlight, middle(list)]));
    return { log, idle: middle(idle), perTransaction };
  } finally {
    await cluster.remove();
  }
}

async function spent(cluster: BenchCluster, work: () => Promise<void>): Promise<Cost> {
  const before = used(cluster);
  await work();
  const after = used(cluster);
  return map((of) => after[of] - before[of]);
}

function used({ leader, services, etcd }: BenchCluster): Cost {
  const { user, system } = process.cpuUsage();
  return {
    leader: cpuMsOf(leader.child.pid),
    participants: services.reduce((sum, { pid }) => sum + cpuMsOf(pid), 0),
    client: (user + system) / 1_000,
    etcd: etcd === null ? 0 : cpuMsOf(etcd.member.pid),
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

function tableOf({ log, idle, perTransaction }: OfLog): Table {
  const cells = (cost: Cost): (number | null)[] => [
    cost.leader,
    cost.participants,
    cost.client,
    log === 'embedded' ? null : cost.etcd,
    total(cost),
  ];
  return {
    title: `CPU, ${log}: ms for a transaction`,
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
