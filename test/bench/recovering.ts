/**
 * One recovery: a log full of decisions that no one has acknowledged, participants that voted for
 * them, and the leader that takes them up. When it came how far, and what that cost.
 */
import { performance } from 'node:perf_hooks';
import { connect } from '../../src/client.ts';
import type { Epoch, Txid } from '../../src/core/txid.ts';
import { openEmbeddedLog } from '../../src/decision-log/embedded/log.ts';
import { openEtcdLog } from '../../src/decision-log/etcd/etcd-log.ts';
import { openLmdbJournal } from '../../src/journal/lmdb/journal.ts';
import type { DecisionLog } from '../../src/ports/decision-log.ts';
import { issuedAt, never, realClock, realRandom } from '../support/logs/stores.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { pause } from '../support/process/child.ts';
import { BenchCluster, clusterName, type LogKind, payload } from './rig/bench-cluster.ts';
import { hasDecisions } from './rig/keys.ts';
import { cpuMsOf } from './rig/usage.ts';

export interface Recovering {
  readonly log: LogKind;
  readonly decisions: number;
  /** Of each decision. */
  readonly branches: number;
}

/** From the start of the leader's process; NaN: not before it was given up. */
export interface Recovered extends Recovering {
  /** It says that it is ready. */
  readonly leadsMs: number;
  /** A transaction of a client that came with it. */
  readonly firstCommitMs: number;
  /** All decisions are taken up. */
  readonly readMs: number;
  /** The leader waits for no one any more. */
  readonly acknowledgedMs: number;
  /** Every decision has moved. */
  readonly finishedMs: number;
  readonly leaderCpuMs: number;
  /** All three, one process. */
  readonly participantsCpuMs: number;
}

export const timeoutMs = 60_000;
const writtenAtOnce = 5_000;
const lookMs = 100;

export async function recoveryOf(
  { log, decisions, branches }: Recovering,
  given: { readonly directory: string; readonly progress: (text: string) => void },
): Promise<Recovered> {
  const cluster = await BenchCluster.started({ log, directory: given.directory });
  const said = `${log}, branches each: ${branches}`;
  try {
    await Promise.all(cluster.clients.splice(0).map((client) => client.close()));
    await cluster.killServices();
    await cluster.leader.stop();
    await fill(cluster, { decisions, branches }, (written) =>
      given.progress(`${said}: ${written} of ${decisions} decisions written`),
    );
    await cluster.startServices();
    given.progress(`${said}: the leader recovers`);
    return { log, decisions, branches, ...(await timesOf(cluster)) };
  } finally {
    await cluster.remove();
  }
}

async function timesOf(cluster: BenchCluster): Promise<Omit<Recovered, keyof Recovering>> {
  const { leader } = cluster;
  const participantsCpuMs = () => cluster.services.reduce((sum, { pid }) => sum + cpuMsOf(pid), 0);
  const participantsBeforeMs = participantsCpuMs();
  const startedMs = performance.now();
  const since = (): number => performance.now() - startedMs;
  // It may be at it for longer than a start is waited for elsewhere.
  cluster.startLeader().catch(() => undefined);
  const reached = async (whether: () => boolean | Promise<boolean>): Promise<number> => {
    while (since() < timeoutMs) {
      // Looking costs something, too.
      await pause(lookMs);
      if (await whether()) return since();
      if (!leader.running) throw new Error(`The leader ended:\n${leader.output()}`);
    }
    return Number.NaN;
  };
  const hasSaid = (text: string) => () => leader.child.lines.some((line) => line.includes(text));
  const isRead = hasSaid('"Leading: ');
  const leadsMs = await reached(hasSaid('"Ready."'));
  const [firstCommitMs, readMs, acknowledgedMs] = await Promise.all([
    firstCommit(cluster).then(since, () => Number.NaN),
    reached(hasSaid('"Leading: ')),
    acknowledged(cluster, { isRead, reached }),
  ]);
  const finishedMs = await reached(async () => !(await hasDecisions(cluster)));
  return {
    leadsMs,
    firstCommitMs,
    readMs,
    acknowledgedMs,
    finishedMs,
    leaderCpuMs: cpuMsOf(leader.child.pid),
    participantsCpuMs: participantsCpuMs() - participantsBeforeMs,
  };
}

async function firstCommit({ leader, names }: BenchCluster): Promise<void> {
  const client = await connect({ urls: [leader.url], timeoutMs });
  try {
    const branches = names.map((participant) => ({ participant, payload }));
    // One that was aborted, because no participant was there yet, is no commit.
    while ((await client.transact({ branches })).outcome !== 'committed') await pause(lookMs);
  } finally {
    await client.close();
  }
}

/** As an operator sees it: nothing is left in memory of what was read. */
async function acknowledged(
  { leader }: BenchCluster,
  how: {
    readonly isRead: () => boolean;
    readonly reached: (whether: () => Promise<boolean>) => Promise<number>;
  },
): Promise<number> {
  const peer = await RawPeer.greeted(leader.url, { name: 'looker', roles: ['operator'] });
  let id = 0;
  try {
    return await how.reached(async () => {
      if (!how.isRead()) return false;
      id += 1;
      peer.send({ type: 'info', id });
      const { shards } = await peer.next('info');
      return shards.every(({ states }) => Object.keys(states ?? {}).length === 0);
    });
  } finally {
    peer.socket.terminate();
  }
}

/** As a leader and participants leave it that end between the decision and the commits. */
async function fill(
  cluster: BenchCluster,
  { decisions, branches }: Pick<Recovering, 'decisions' | 'branches'>,
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
