/** A leader that comes back to a log full of decisions that no one has acknowledged. */
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import type { Epoch, Txid } from '../../../src/core/txid.ts';
import { openEmbeddedLog } from '../../../src/decision-log/embedded/log.ts';
import { openEtcdLog } from '../../../src/decision-log/etcd/etcd-log.ts';
import { openLmdbJournal } from '../../../src/journal/lmdb/journal.ts';
import type { DecisionLog } from '../../../src/ports/decision-log.ts';
import { issuedAt, never, realClock, realRandom } from '../../support/logs/stores.ts';
import { pause } from '../../support/process/child.ts';
import {
  BenchCluster,
  clusterName,
  type LogKind,
  logKinds,
  payload,
} from '../rig/bench-cluster.ts';
import { hasDecisions } from '../rig/keys.ts';
import type { Section, SectionGiven, Table, Target } from './section.ts';

const usualDecisions = 100_000;
const quickDecisions = 10_000;
const branchCounts = [1, 3];
const quickBranchCounts = [1];
const writtenAtOnce = 5_000;
const mostMs = 3_000;
const timeoutMs = 60_000;
const lookMs = 100;

interface Recovered {
  readonly log: LogKind;
  readonly decisions: number;
  readonly branches: number;
  /** From the start of the leader's process; NaN: not before it was given up. */
  readonly readyMs: number;
  readonly acknowledgedMs: number;
}

export const recovery: Section = {
  name: 'recovery',
  title: 'Recovery of a full log',
  about:
    `The log holds ${usualDecisions.toLocaleString('en')} commits, and the journals of three ` +
    'participants the votes for them: of one branch each, in turn, or of three. The participants ' +
    'run and look for the leader; its process is started, and the clock with it. It is ready ' +
    'when it leads and says so, and done when every branch is committed, acknowledged, and the ' +
    'last decision has moved. Measured once each.',
  run: async (given) => {
    const all: Recovered[] = [];
    for (const log of logKinds) {
      for (const branches of given.quick ? quickBranchCounts : branchCounts) {
        all.push(await recovered(given, log, branches));
      }
    }
    return { tables: [tableOf(all)], charts: [], targets: all.map(targetOf) };
  },
};

async function recovered(
  { directory, quick, progress }: SectionGiven,
  log: LogKind,
  branches: number,
): Promise<Recovered> {
  const decisions = quick ? quickDecisions : usualDecisions;
  const cluster = await BenchCluster.started({
    log,
    directory: join(directory, `${log}-${branches}`),
  });
  try {
    await Promise.all(cluster.clients.splice(0).map((client) => client.close()));
    await cluster.killServices();
    await cluster.leader.stop();
    await fill(cluster, { decisions, branches }, (written) =>
      progress(`${log}, branches each: ${branches}: ${written} of ${decisions} decisions written`),
    );
    await cluster.startServices();
    progress(`${log}, branches each: ${branches}: the leader recovers`);
    const startedMs = performance.now();
    // It may be at it for longer than a start is waited for elsewhere.
    cluster.startLeader().catch(() => undefined);
    const { leader } = cluster;
    const reached = async (whether: () => boolean | Promise<boolean>): Promise<number> => {
      while (since(startedMs) < timeoutMs) {
        // Looking costs something, too.
        await pause(lookMs);
        if (await whether()) return since(startedMs);
        if (!leader.running) throw new Error(`The leader ended:\n${leader.output()}`);
      }
      return Number.NaN;
    };
    const readyMs = await reached(() =>
      leader.child.lines.some((line) => line.includes('"Ready."')),
    );
    const acknowledgedMs = await reached(async () => !(await hasDecisions(cluster)));
    return { log, decisions, branches, readyMs, acknowledgedMs };
  } finally {
    await cluster.remove();
  }
}

const since = (startedMs: number): number => performance.now() - startedMs;

/** As a leader and participants leave it that end between the decision and the commits. */
async function fill(
  cluster: BenchCluster,
  { decisions, branches }: Pick<Recovered, 'decisions' | 'branches'>,
  progress: (written: number) => void,
): Promise<void> {
  const journals = await Promise.all(
    [...cluster.journals].map(async ([name, directory]) => ({
      name,
      journal: await openLmdbJournal({ directory, clock: realClock, random: realRandom }),
    })),
  );
  const log = await logOf(cluster);
  const leadership = await log.campaign(0, { signal: never });
  const one = async (sequence: number): Promise<void> => {
    const txid = issuedAt(log.meta, leadership.epoch, sequence);
    const taking = Array.from({ length: branches }, (_, index) => {
      const taken = journals[(sequence + index) % journals.length];
      if (taken === undefined) throw new Error('There is no participant.');
      return taken;
    });
    for (const { name, journal } of taking) {
      const { kind } = await journal.vote(voteOf(txid, name, leadership.epoch));
      if (kind !== 'written') throw new Error(`The vote of ${name} was not written: ${kind}.`);
    }
    const record = {
      txid,
      outcome: 'commit',
      branches: taking.map(({ name, journal: { instance } }) => ({
        branch: name,
        participant: name,
        instance,
      })),
      atMs: Date.now(),
    } as const;
    const { type } = await leadership.decide({ record, finished: false });
    if (type !== 'written') throw new Error(`A decision was not written: ${type}.`);
  };
  for (let first = 1; first <= decisions; first += writtenAtOnce) {
    await Promise.all(Array.from({ length: writtenAtOnce }, (_, index) => one(first + index)));
    progress(first + writtenAtOnce - 1);
  }
  await log.close();
  await Promise.all(journals.map(({ journal }) => journal.close()));
}

function voteOf(txid: Txid, branch: string, epoch: Epoch) {
  const atMs = Date.now();
  return { txid, branch, state: 'prepared', epoch, witness: null, payload, atMs } as const;
}

function logOf({ leader, etcd }: BenchCluster): Promise<DecisionLog> {
  const { data: directory } = leader.settings;
  const common = { node: leader.name, url: `ws://${leader.url}`, clock: realClock };
  if (etcd === null) return openEmbeddedLog({ ...common, directory });
  return openEtcdLog({
    ...common,
    endpoints: etcd.endpoints,
    cluster: clusterName,
    stateDirectory: directory,
    random: realRandom,
  });
}

function tableOf(all: readonly Recovered[]): Table {
  return {
    title: 'Unacknowledged decisions',
    columns: [
      'log',
      'decisions',
      'branches each',
      'leader ready s',
      'all acknowledged s',
      'branches/s',
    ],
    rows: all.map(({ log, decisions, branches, readyMs, acknowledgedMs }) => [
      log,
      decisions,
      branches,
      finite(readyMs / 1_000),
      finite(acknowledgedMs / 1_000),
      finite(Math.round((decisions * branches) / (acknowledgedMs / 1_000))),
    ]),
  };
}

/** Blank where it was given up. */
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function targetOf({ log, decisions, branches, acknowledgedMs }: Recovered): Target {
  const enough = decisions >= usualDecisions;
  const took = Number.isNaN(acknowledgedMs)
    ? `not in ${timeoutMs / 1_000} s`
    : `${(acknowledgedMs / 1_000).toFixed(1)} s`;
  const named = branches === 1 ? '1 branch' : `${branches} branches`;
  return {
    what: `${decisions.toLocaleString('en')} decisions of ${named} acknowledged, ${log}`,
    aim: `< ${mostMs / 1_000} s for ${usualDecisions.toLocaleString('en')}`,
    measured: `${took}${enough ? '' : ', too few to tell'}`,
    met: enough && acknowledgedMs < mostMs,
  };
}
