/** What a transaction writes: flushes, bytes, keys, and what etcd does for it. */
import { join } from 'node:path';
import { journalFile } from '../../../src/journal/lmdb/journal.ts';
import { EtcdCluster } from '../../support/nodes/etcd-cluster.ts';
import { eventually, pause } from '../../support/process/child.ts';
import { commitLatency, groupCommit, writesPerTransaction } from '../etcd-figures.ts';
import { type Figure, tableOfFigures, targetsOfFigures } from '../figure.ts';
import { closedLoop } from '../load.ts';
import { BenchCluster, type LogKind, logKinds, startEtcd } from '../rig/bench-cluster.ts';
import { canCountFlushes, FlushCounter } from '../rig/flushes.ts';
import { keysInLog, keysInStore } from '../rig/keys.ts';
import { diskBytes, storageBytesOf } from '../rig/usage.ts';
import { besideSkeleton } from './beside-skeleton.ts';
import type { Section, SectionGiven, Table } from './section.ts';

const levels = [1, 256];
const quietMs = 500;

/** So far, or for a transaction. */
interface Written {
  readonly leaderFlushes: number;
  readonly participantFlushes: number;
  /** Of the machine: all processes, and whoever else writes. */
  readonly diskBytes: number;
  readonly logKeys: number;
  readonly journalKeys: number;
  readonly etcdTransactions: number;
  readonly etcdPuts: number;
  readonly etcdDeletes: number;
  readonly etcdFlushes: number;
}

export const writes: Section = {
  name: 'writes',
  title: 'What a transaction writes',
  about:
    'Per transaction of three branches, at 1 and at 256 in flight: flushes (fdatasync, fsync, ' +
    'msync and writes to descriptors that flush by themselves, as strace counts them; empty where ' +
    'it cannot), bytes that the disks of the machine wrote meanwhile, keys that are left when all has been acknowledged ' +
    "and moved, and etcd's own counters; the three participants have a journal each. The ticks of " +
    'the leader and its lease are in it. Then messages and flushes beside those of the skeleton, so ' +
    'that it can be seen to be one. Then what a commit on etcd waits for, beside single puts.',
  run: async (given) => {
    const tables: Table[] = [];
    for (const log of logKinds) tables.push(await measured(given, log));
    tables.push(await besideSkeleton(given));
    const figures = await onEtcd(given);
    tables.push(tableOfFigures('What a commit on etcd waits for', figures));
    return { tables, charts: [], targets: targetsOfFigures(figures) };
  },
};

async function measured(given: SectionGiven, log: LogKind): Promise<Table> {
  const { durationMs, progress } = given;
  const directory = join(given.directory, log);
  const flushes = (await canCountFlushes()) ? new FlushCounter(given.directory) : null;
  const cluster = await BenchCluster.started({
    log,
    directory,
    ...(flushes === null ? {} : { through: (name) => flushes.through(`${log}-${name}`) }),
  });
  const one = (): Promise<void> => cluster.transact();
  try {
    await cluster.warmUp(given);
    const rows: [number, Written][] = [];
    for (const inFlight of levels) {
      progress(`${log}: ${inFlight} in flight`);
      const before = await settled(cluster, { log, flushes });
      const first = cluster.committed;
      await closedLoop({ inFlight, durationMs, one });
      const count = cluster.committed - first;
      const after = await settled(cluster, { log, flushes });
      rows.push([inFlight, each((of) => (after[of] - before[of]) / count)]);
    }
    return tableOf(log, rows);
  } finally {
    await cluster.remove();
  }
}

/** What has been written when nothing more is to follow. */
async function settled(
  cluster: BenchCluster,
  given: { readonly log: LogKind; readonly flushes: FlushCounter | null },
): Promise<Written> {
  // Heart-beats and ticks go on, so only this says that the work is over.
  const atWork = () => cluster.services.map(({ pid }) => storageBytesOf(pid)).join(' ');
  let last = { atWork: '', logKeys: -1 };
  return eventually(
    async () => {
      const before = last;
      const now = await written(cluster, given);
      last = { atWork: atWork(), logKeys: now.logKeys };
      if (last.atWork === before.atWork && last.logKeys === before.logKeys) return now;
      await pause(quietMs);
      return null;
    },
    () => 'the participants to be done',
  );
}

async function written(
  cluster: BenchCluster,
  { log, flushes }: { readonly log: LogKind; readonly flushes: FlushCounter | null },
): Promise<Written> {
  const { etcd } = cluster;
  const metric = async (name: string, labels = ''): Promise<number> =>
    etcd === null ? 0 : etcd.member.metric(name, labels);
  return {
    leaderFlushes: flushes?.count(`${log}-leader`) ?? Number.NaN,
    participantFlushes: flushes?.count(`${log}-participants`) ?? Number.NaN,
    diskBytes: diskBytes(),
    logKeys: await keysInLog(cluster),
    journalKeys: [...cluster.journals.values()].reduce(
      (sum, journal) => sum + keysInStore(join(journal, journalFile)),
      0,
    ),
    etcdTransactions: await metric('grpc_server_handled_total', 'grpc_method="Txn"'),
    etcdPuts: await metric('etcd_mvcc_put_total'),
    etcdDeletes: await metric('etcd_mvcc_delete_total'),
    etcdFlushes:
      (await metric('etcd_disk_wal_fsync_duration_seconds_count')) +
      (await metric('etcd_disk_backend_commit_duration_seconds_count')),
  };
}

const words: Readonly<Record<keyof Written, string>> = {
  leaderFlushes: 'flushes of the leader',
  participantFlushes: 'flushes of the participants',
  diskBytes: 'bytes written to disk, by all processes',
  logKeys: 'keys left in the decision log',
  journalKeys: 'keys left in the journals',
  etcdTransactions: 'etcd transactions',
  etcdPuts: 'etcd puts',
  etcdDeletes: 'etcd deletes',
  etcdFlushes: 'flushes of etcd: its log and its store',
};

const names = Object.keys(words) as (keyof Written)[];

function each(value: (of: keyof Written) => number): Written {
  return Object.fromEntries(names.map((of) => [of, value(of)])) as unknown as Written;
}

function tableOf(log: LogKind, all: readonly (readonly [number, Written])[]): Table {
  const shown = log === 'embedded' ? names.filter((of) => !of.startsWith('etcd')) : names;
  const cell = (value: number): number | null => (Number.isNaN(value) ? null : value);
  return {
    title: `Written for a transaction, ${log}`,
    columns: ['what', ...all.map(([inFlight]) => `${inFlight} in flight`)],
    rows: shown.map((of) => [words[of], ...all.map(([, cost]) => cell(cost[of]))]),
  };
}

/** Three nodes on one etcd. */
async function onEtcd(given: SectionGiven): Promise<readonly Figure[]> {
  const { quick, progress } = given;
  const etcd = await startEtcd();
  try {
    const cluster = await EtcdCluster.started({ etcd, options: {} });
    try {
      progress('what a commit on etcd waits for');
      return [
        ...(await writesPerTransaction({ etcd, cluster, quick })),
        ...(await commitLatency({ etcd, cluster, quick })),
        ...(await groupCommit(etcd, given)),
      ];
    } finally {
      await cluster.remove();
    }
  } finally {
    await etcd.dispose();
  }
}
