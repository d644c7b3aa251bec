/**
 * `npm run chaos`: real processes - three members of etcd, three nodes, three participants, the
 * shop, and two services of several processes each over one PostgreSQL, replaced one after the
 * other -, money moved between them, and faults without end, drawn from a seed. Then everything is
 * mended, and must add up.
 */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import { findEtcd } from '../../cluster/etcd/find.ts';
import { serviceNames } from '../../cluster/shop/paths.ts';
import type { LocksReply } from '../../src/core/messages.ts';
import { TestEtcd } from '../support/etcd/etcd.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { firstBalance, readAccounts } from '../support/participants/effects.ts';
import { pause } from '../support/process/child.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { Faults } from './faults.ts';
import { Load } from './load.ts';
import { MetricsWatch } from './metrics/watch.ts';
import { Orders } from './orders.ts';
import { Replicas, replicatedServices } from './replicas.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    shards: { type: 'string', default: '2' },
    plain: { type: 'boolean', default: false },
    metrics: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run chaos -- [--minutes N] [--seed S] [--shards N] [--plain] [--metrics]

Breaks a cluster of real processes for N minutes (default 10) and checks that everything adds up.
Everyone speaks mutual TLS, under an access file, unless it is to be --plain; then certificates are renewed, and identities taken
out of the access file for a while, among the faults.
With --metrics one fault comes at a time, with pauses; every node's metrics are read four times a
second, and the run fails where clients saw a dip - no or few commits, or calls that failed - that
no metric explains.
The seed draws faults and load; processes and timing are the machine's, so a run is never quite the same twice.`);
  process.exit(0);
}
const minutes = Number(values.minutes);
const seed = values.seed === undefined ? randomInt(2 ** 31) : Number(values.seed);
const shards = Number(values.shards);
if (!(minutes > 0) || !Number.isInteger(seed) || !(Number.isInteger(shards) && shards > 0)) {
  console.error('--minutes, --seed and --shards are numbers.');
  process.exit(2);
}
const again = `npm run chaos -- --minutes ${minutes} --seed ${seed} --shards ${shards}${values.plain ? ' --plain' : ''}${values.metrics ? ' --metrics' : ''}`;
const participants = ['north', 'south', 'west'];
/** Of the clients of the shop and the replicas, whose rights no one takes. */
const buyer = 'buyer';
const progressMs = 5_000;
const settleTimeoutMs = 120_000;
const maxShown = 40;
/** More than can be answered: an end of them would be an end of the load. */
const maxOrdersPerMinute = 1_000;

const found = await findEtcd();
if ('missing' in found) {
  console.error(`There is no etcd to break. ${found.missing}`);
  process.exit(2);
}

console.log(`Chaos for ${minutes} minutes, seed ${seed}. Again: ${again}`);
const startMs = performance.now();
const log: string[] = [];
const broken: string[] = [];
const seconds = (ms: number): string => `${((ms - startMs) / 1_000).toFixed(1).padStart(7)} s`;
const note = (text: string): void => {
  log.push(`${seconds(performance.now())}  ${text}`);
};
/** Of the clients in this process. */
const metrics = new Registry();

const etcd = await TestEtcd.start(found.found, { members: 3 });
const cluster = await EtcdCluster.started({
  etcd,
  shards,
  participants: [],
  secured: values.plain ? 'never' : true,
  identities: {
    participants: [...participants, ...serviceNames, ...replicatedServices],
    clients: [buyer],
  },
  participantSettings: async (_, { name }) => ({
    decisionLog: { etcd: { endpoints: etcd.endpoints, cluster: name, resolve: false } },
  }),
});
const nodes = [...cluster.nodes.values()];
const proxies = await Promise.all(nodes.map(({ port }) => TcpProxy.started(port)));
let violations: string[];
try {
  violations = await run();
} finally {
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await cluster.remove();
  await etcd.dispose();
}
if (!cluster.history.calls.some(({ code }) => code === 'DEADLOCK')) {
  console.log(
    'No two transactions ever waited for each other: the load is too light to show anything.',
  );
}
console.log(`\nCalls: ${counted()}; faults: ${log.length}. Aborts and errors: ${reasons()}.`);
if (violations.length === 0) {
  console.log('Everything adds up.');
} else {
  console.log(`\nLast faults:\n${log.slice(-maxShown).join('\n')}`);
  console.log(`\n${violations.length} things do not add up:`);
  for (const violation of violations.slice(0, maxShown)) console.log(`  ${violation}`);
  console.log(`\nAgain: ${again}`);
  process.exitCode = 1;
}

async function run(): Promise<string[]> {
  const urls = proxies.map(({ url }) => url);
  for (const name of participants) await cluster.addParticipant(name, { urls });
  // One through the proxies, one straight to the nodes.
  const clients = [await cluster.client({ urls, metrics }), await cluster.client({ metrics })];
  const { history, security } = cluster;
  // What the shop's processes read.
  for (const name of serviceNames) await security?.identity(name);
  const load = new Load({ clients, participants, history, random: seededRandom(seed) });
  const faults = new Faults({
    etcd,
    cluster,
    proxies,
    calm: values.metrics,
    guests: ['client', ...participants],
    random: seededRandom(seed + 1),
    began: note,
    broken: (text) => broken.push(text),
  });
  const orders = new Orders({
    directory: join(cluster.directory, 'shop'),
    urls,
    client: await cluster.client({ urls, name: buyer, metrics }),
    certificates: cluster.security?.directory ?? null,
    maxCount: Math.ceil(minutes * maxOrdersPerMinute),
    random: seededRandom(seed + 2),
    calm: values.metrics,
    began: note,
  });
  const replicas = await Replicas.started({
    directory: join(cluster.directory, 'replicas'),
    urls,
    client: await cluster.client({ urls, name: buyer, metrics }),
    tlsOf: (service) => cluster.tls(service),
    random: seededRandom(seed + 3),
    calm: values.metrics,
    began: note,
  });
  try {
    return await broughtThrough({ load, faults, orders, replicas });
  } finally {
    await replicas.close();
  }
}

async function broughtThrough(things: {
  readonly load: Load;
  readonly faults: Faults;
  readonly orders: Orders;
  readonly replicas: Replicas;
}): Promise<string[]> {
  const { load, faults, orders, replicas } = things;
  await orders.start();
  replicas.start();
  load.start();
  const watch = values.metrics
    ? new MetricsWatch({
        calls: cluster.history.calls,
        moves: replicas.asked,
        orders: orders.answers,
      })
    : null;
  watch?.start(nodes, metrics);
  faults.start();
  const endMs = performance.now() + minutes * 60_000;
  while (performance.now() < endMs && broken.length === 0) {
    await pause(Math.min(progressMs, Math.max(0, endMs - performance.now())));
    const leftS = Math.max(0, Math.round((endMs - performance.now()) / 1_000));
    console.log(
      `${String(leftS).padStart(5)} s left: ${counted()}; ${orders.counted()}; replicas: ${replicas.counted()}, ${replicas.replaced} replaced; faults: ${faults.count}`,
    );
  }
  const dips = (await watch?.report(seconds)) ?? [];
  // To compare what the metrics say with what was done.
  if (watch !== null) console.log(`\nFaults:\n${log.join('\n')}`);
  await faults.stop();
  await Promise.all(etcd.members.map((member) => member.ready()));
  await Promise.all([load.stop(), orders.stop(), replicas.stop()]);
  console.log('Everything is mended. Waiting until nothing is on its way.');
  await recoverAll();
  // The shop's services are held against its own books below.
  const unsettled = await cluster.settled({
    timeoutMs: settleTimeoutMs,
    retired: [...serviceNames, ...replicatedServices],
  });
  const databases = await replicas.settled();
  const locks = await settledLocks();
  const shop = await settledShop(orders);
  await orders.close();
  console.log(`The shop: ${orders.counted()}.`);
  return [
    ...broken,
    ...dips,
    ...unsettled.filter((line) => !isRefusal(line)),
    ...databases,
    ...locks,
    ...money(),
    ...shop,
  ];
}

/** Of whose rights were taken for a while: that is the alarm which it should raise. */
function isRefusal(line: string): boolean {
  return cluster.security !== null && line.includes('"alarm":"refused-by-node"');
}

/** Forced aborts are swept once a minute: not to wait for that, every leader is made to look. */
async function recoverAll(): Promise<void> {
  for (let shard = 0; shard < shards; shard += 1) {
    const leader = await cluster.led(shard);
    const peer = await leader.asked();
    await peer.ask({ type: 'recover', id: 1 });
    await peer.close();
  }
}

/** With the last transaction the last lock is gone: no one holds one, no one was left waiting. */
async function settledLocks(): Promise<string[]> {
  const untilMs = performance.now() + settleTimeoutMs;
  for (;;) {
    const left = new Map<string, LocksReply['locks'][number]>();
    for (let shard = 0; shard < shards; shard += 1) {
      const leader = await cluster.led(shard);
      const peer = await leader.asked();
      const { locks } = (await peer.ask({ type: 'locks', id: 1 })) as LocksReply;
      await peer.close();
      for (const lock of locks) left.set(`${lock.group}/${lock.key}`, lock);
    }
    if (left.size === 0 || performance.now() > untilMs) {
      return [...left].map(
        ([name, { holding, waiting }]) =>
          `the lock ${name} has ${holding} holders and ${waiting} waiters left`,
      );
    }
    await pause(500);
  }
}

async function settledShop(orders: Orders): Promise<string[]> {
  const untilMs = performance.now() + settleTimeoutMs;
  for (;;) {
    const problems = await orders.problems(await cluster.changes.read());
    if (problems.length === 0 || performance.now() > untilMs) return problems;
    await pause(500);
  }
}

/** Nothing is made, nothing is lost, nothing is owed, nothing is left set aside. */
function money(): string[] {
  const problems: string[] = [];
  let made = 0;
  for (const name of participants) {
    for (const [account, { balance, setAside }] of readAccounts(
      join(cluster.directory, name, 'store'),
    )) {
      made += balance - firstBalance;
      if (balance < 0) problems.push(`account ${account} at ${name} is at ${balance}`);
      if (setAside !== 0)
        problems.push(`account ${account} at ${name} still sets ${setAside} aside`);
    }
  }
  if (made !== 0) problems.push(`${Math.abs(made)} of money ${made > 0 ? 'made' : 'lost'}`);
  return problems;
}

function counted(): string {
  const counts = new Map<string, number>();
  for (const { ended } of cluster.history.calls) counts.set(ended, (counts.get(ended) ?? 0) + 1);
  return ['ok', 'fail', 'info', 'refused']
    .map((ended) => `${counts.get(ended) ?? 0} ${ended}`)
    .join(', ');
}

function reasons(): string {
  const counts = new Map<string, number>();
  for (const { code } of cluster.history.calls) {
    if (code !== null) counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return [...counts].map(([code, count]) => `${count} ${code}`).join(', ') || 'none';
}
