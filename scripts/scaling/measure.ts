/**
 * Measures what the cost model is made of, with the rig of the bench: CPU time and counts, for a
 * busy machine tells nothing by the clock.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { Etcd3 } from 'etcd3';
import { closedLoop } from '../../test/bench/load.ts';
import { BenchCluster, probed, startEtcd } from '../../test/bench/rig/bench-cluster.ts';
import { heldMemoryOf, messagesIn, storageBytesOf, trafficOf } from '../../test/bench/rig/usage.ts';
import { thisMachine } from '../../test/bench/suite/results.ts';
import { scaleOut } from '../../test/bench/suite/scale-out.ts';
import { NodeProcess } from '../../test/support/nodes/node-process.ts';
import { pause } from '../../test/support/process/child.ts';
import type {
  Measured,
  MeasuredConnections,
  MeasuredIdle,
  MeasuredPuts,
  MeasuredRow,
  MeasuredScaleOut,
} from './measured.ts';

const branchCounts = [1, 3, 8];
const levels = [1, 16, 128];
const durationMs = 1_000;
/** What followed the last answer: acknowledgements, records that move. */
const restMs = 500;
/** Without a node: what etcd does by itself. */
const idles = [
  { nodes: 0, shards: 0 },
  { nodes: 1, shards: 1 },
  { nodes: 1, shards: 25 },
  { nodes: 1, shards: 100 },
  { nodes: 4, shards: 100 },
];
const putLevels = [1, 64];
const settleMs = 3_000;
const idleMs = 8_000;
const connections = 1_000;
const names = Array.from({ length: Math.max(...branchCounts) }, (_, index) => `p${index}`);

export async function measure(progress: (text: string) => void): Promise<Measured> {
  const directory = mkdtempSync(join(tmpdir(), 'verdict-scaling-'));
  try {
    const { rows, connected } = await ofTransactions(directory, progress);
    progress('single puts of etcd');
    const puts = await ofPuts();
    progress('a node alone, asked for nothing');
    const idleAloneMs = await ofIdleAlone(join(directory, 'idle-alone'));
    const idle: MeasuredIdle[] = [];
    for (const each of idles) {
      progress(`${each.nodes} nodes, ${each.shards} shards, asked for nothing`);
      idle.push(await ofIdle(join(directory, `idle-${each.nodes}-${each.shards}`), each));
    }
    return {
      command: 'npm run scaling -- --measure',
      at: new Date().toISOString(),
      machine: machine(),
      rows,
      puts,
      idleAloneMs,
      idle,
      connections: connected,
      scaleOut: await ofScaleOut(join(directory, 'scale-out'), progress),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

async function ofTransactions(
  directory: string,
  progress: (text: string) => void,
): Promise<{ readonly rows: readonly MeasuredRow[]; readonly connected: MeasuredConnections }> {
  const cluster = await BenchCluster.started({
    log: 'one etcd',
    directory: join(directory, 'transactions'),
    participants: names,
    through: (name) => (name === 'leader' ? probed : []),
  });
  try {
    progress('warming up');
    await cluster.warmUp({ quick: false });
    const rows: MeasuredRow[] = [];
    for (const branches of branchCounts) {
      for (const inFlight of levels) {
        progress(`${branches} branches, ${inFlight} in flight`);
        rows.push(await ofLevel(cluster, { branches, inFlight }));
      }
    }
    progress(`${connections} connections`);
    return { rows, connected: await ofConnections(cluster) };
  } finally {
    await cluster.remove();
  }
}

async function ofLevel(
  cluster: BenchCluster,
  { branches, inFlight }: Pick<MeasuredRow, 'branches' | 'inFlight'>,
): Promise<MeasuredRow> {
  const some = names.slice(0, branches);
  const loop = async (): Promise<void> => {
    await closedLoop({ inFlight, durationMs, one: () => cluster.transact(some) });
    await pause(restMs);
  };
  await loop();
  const before = await used(cluster);
  await loop();
  const after = await used(cluster);
  const transactions = after.transactions - before.transactions;
  const each = (of: keyof typeof before): number => (after[of] - before[of]) / transactions;
  const first = cluster.committed;
  const [traffic] = await trafficOf([cluster.leader.child], loop);
  if (traffic === undefined) throw new Error('The leader counted nothing.');
  const counted = cluster.committed - first;
  const { framesSent, framesReceived, bytesSent, bytesReceived } = traffic;
  return {
    branches,
    inFlight,
    transactions,
    leaderMs: each('leaderMs'),
    participantsMs: each('participantsMs'),
    clientMs: each('clientMs'),
    etcdMs: each('etcdMs'),
    etcdWrites: each('etcdWrites'),
    etcdPuts: each('etcdPuts'),
    etcdDeletes: each('etcdDeletes'),
    etcdFlushes: each('etcdFlushes'),
    etcdBytes: each('etcdBytes'),
    etcdStoreBytes: each('etcdStoreBytes'),
    messages: messagesIn(traffic) / counted,
    frames: (framesSent + framesReceived) / counted,
    bytes: (bytesSent + bytesReceived) / counted,
  };
}

/** So far. */
async function used({ committed, leader, services, etcd }: BenchCluster) {
  if (etcd === null) throw new Error('There is no etcd.');
  const { member } = etcd;
  const { user, system } = process.cpuUsage();
  return {
    transactions: committed,
    leaderMs: cpuMsOf(leader.child.pid),
    participantsMs: services.reduce((sum, { pid }) => sum + cpuMsOf(pid), 0),
    clientMs: (user + system) / 1_000,
    etcdMs: cpuMsOf(member.pid),
    etcdWrites: await member.metric('grpc_server_handled_total', 'grpc_method="Txn"'),
    etcdPuts: await member.metric('etcd_mvcc_put_total'),
    etcdDeletes: await member.metric('etcd_mvcc_delete_total'),
    etcdFlushes: await member.metric('etcd_disk_wal_fsync_duration_seconds_count'),
    etcdBytes: storageBytesOf(member.pid),
    etcdStoreBytes: await member.metric('etcd_mvcc_db_total_size_in_use_in_bytes'),
  };
}

/** By the scheduler's account, in nanoseconds: /proc/PID/stat counts hundredths of seconds. */
function cpuMsOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  let nanoseconds = 0;
  for (const task of readdirSync(tasks)) {
    nanoseconds += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]);
  }
  return nanoseconds / 1e6;
}

async function spentMs(pids: readonly number[]): Promise<readonly number[]> {
  const before = pids.map(cpuMsOf);
  await pause(idleMs);
  return pids.map((pid, index) => ((cpuMsOf(pid) - (before[index] ?? 0)) / idleMs) * 1_000);
}

async function ofConnections(cluster: BenchCluster): Promise<MeasuredConnections> {
  const { child } = cluster.leader;
  const rest = async (): Promise<{ readonly ms: number; readonly bytes: number }> => {
    await pause(restMs);
    const { heapBytes } = await heldMemoryOf(child);
    await pause(restMs);
    return { ms: (await spentMs([child.pid]))[0] ?? Number.NaN, bytes: heapBytes };
  };
  const before = await rest();
  await cluster.connect(connections);
  const after = await rest();
  return {
    connections,
    nodeMs: (after.ms - before.ms) / connections,
    bytes: (after.bytes - before.bytes) / connections,
  };
}

async function ofPuts(): Promise<readonly MeasuredPuts[]> {
  const etcd = await startEtcd();
  const raw = new Etcd3({ hosts: [...etcd.endpoints] });
  try {
    const value = Buffer.alloc(200, 'x');
    let count = 0;
    const one = async (): Promise<void> => {
      count += 1;
      await raw.kv.put({ key: Buffer.from(`/put/${count}`), value });
    };
    await closedLoop({ inFlight: 64, durationMs, one });
    const measured: MeasuredPuts[] = [];
    for (const inFlight of putLevels) {
      const before = { ms: cpuMsOf(etcd.member.pid), count };
      await closedLoop({ inFlight, durationMs, one });
      const etcdMs = (cpuMsOf(etcd.member.pid) - before.ms) / (count - before.count);
      measured.push({ inFlight, etcdMs });
    }
    return measured;
  } finally {
    raw.close();
    await etcd.dispose();
  }
}

async function ofIdleAlone(data: string): Promise<number> {
  const node = await NodeProcess.started({ data, logLevel: 'info' });
  try {
    await pause(settleMs);
    return (await spentMs([node.child.pid]))[0] ?? Number.NaN;
  } finally {
    await node.kill();
  }
}

async function ofIdle(
  directory: string,
  { nodes: count, shards }: Pick<MeasuredIdle, 'nodes' | 'shards'>,
): Promise<MeasuredIdle> {
  const etcd = await startEtcd();
  const nodes: NodeProcess[] = [];
  try {
    for (let index = 1; index <= count; index += 1) {
      const node = await NodeProcess.started({
        data: join(directory, `n${index}`),
        node: `n${index}`,
        logLevel: 'info',
        etcd: { endpoints: etcd.endpoints, cluster: 'idle', shards },
      });
      nodes.push(node);
    }
    await pause(settleMs);
    const pids = [etcd.member.pid, ...nodes.map(({ child }) => child.pid)];
    const [etcdMs = Number.NaN, ...nodesMs] = await spentMs(pids);
    const nodeMs = nodesMs.reduce((sum, each) => sum + each, 0) / Math.max(1, count);
    return { nodes: count, shards, nodeMs, etcdMs };
  } finally {
    for (const node of nodes) await node.kill();
    await etcd.dispose();
  }
}

async function ofScaleOut(
  directory: string,
  progress: (text: string) => void,
): Promise<readonly MeasuredScaleOut[]> {
  const { tables } = await scaleOut.run({
    durationMs,
    rounds: 2,
    quick: false,
    soakMs: 0,
    kills: 0,
    directory,
    progress: (text) => progress(`scale-out: ${text}`),
  });
  const [table] = tables;
  const at = (row: readonly unknown[], column: string): number =>
    Number(row[table?.columns.indexOf(column) ?? -1]);
  return (table?.rows ?? []).map((row) => ({
    nodes: at(row, 'nodes and shards'),
    perSecond: at(row, 'offered tx/s'),
    busiestNodeMs: at(row, 'busiest node CPU ms'),
    allNodesMs: at(row, 'all nodes CPU ms'),
    busiestNodeMessages: at(row, 'busiest node messages'),
    allNodesMessages: at(row, 'all nodes messages'),
    etcdMs: at(row, 'etcd CPU ms'),
    etcdPuts: at(row, 'etcd puts'),
  }));
}

function machine(): string {
  const { cpu, cores, memoryBytes, system, node, loadBefore } = thisMachine();
  const gibibytes = Math.round(memoryBytes / 2 ** 30);
  return `${cores} cores of ${cpu}, ${gibibytes} GiB, ${system}, Node ${node}, load before ${loadBefore.toFixed(1)}`;
}
