/**
 * What a commit costs on etcd: writes, latency at one in flight, and what group commit brings at
 * many.
 */
import { performance } from 'node:perf_hooks';
import { Etcd3 } from 'etcd3';
import { WebSocket } from 'ws';
import { openEtcdLog } from '../../src/decision-log/etcd/etcd-log.ts';
import { openLmdbJournal } from '../../src/journal/lmdb/journal.ts';
import type { TestEtcd } from '../support/etcd/etcd.ts';
import {
  commitOf,
  never,
  realClock,
  realRandom,
  temporaryDirectory,
  txidAt,
} from '../support/logs/stores.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { Child, eventually, pause, within } from '../support/process/child.ts';
import { type Figure, figure, milliseconds } from './figure.ts';
import { closedLoop, type Measured, median } from './load.ts';
import type { SectionGiven } from './suite/section.ts';

interface Setting {
  readonly etcd: TestEtcd;
  readonly cluster: EtcdCluster;
  readonly quick: boolean;
}

/** It holds nothing of its own, so its vote is one flush. */
const plain = 'plain';
const one = [{ participant: plain }];
const usualCounted = 200;
const quickCounted = 50;
const usualSamples = 400;
const quickSamples = 50;

/** Counted at etcd, at one in flight: nothing is shared between transactions there. */
export async function writesPerTransaction({
  etcd,
  cluster,
  quick,
}: Setting): Promise<readonly Figure[]> {
  const counted = quick ? quickCounted : usualCounted;
  const client = await cluster.client();
  const run = async (vote: 'commit' | 'abort'): Promise<void> => {
    await client.transact({ branches: [{ participant: 'a', payload: { vote } }] });
  };
  const puts = async (): Promise<number> => etcd.member.metric('etcd_mvcc_put_total');
  const recorded = async (): Promise<number> => {
    const changes = await cluster.changes.read();
    return changes.filter(({ type, area }) => type === 'put' && area === 'decisions').length;
  };
  const count = async (
    vote: 'commit' | 'abort',
  ): Promise<{ readonly puts: number; readonly decisions: number }> => {
    const before = { puts: await puts(), decisions: await recorded() };
    for (let index = 0; index < counted; index += 1) await run(vote);
    await pause(500);
    return {
      puts: ((await puts()) - before.puts) / counted,
      decisions: ((await recorded()) - before.decisions) / counted,
    };
  };
  await run('commit');
  const committed = await count('commit');
  const aborted = await count('abort');
  return [
    figure('etcd writes that a commit waits for', committed.decisions.toFixed(2), {
      aim: '1',
      met: committed.decisions === 1,
    }),
    figure(
      'puts per commit, the later move to finished/ and the ticks included',
      committed.puts.toFixed(2),
    ),
    figure('etcd writes per aborted transaction', aborted.decisions.toFixed(2), {
      aim: '0',
      met: aborted.decisions === 0,
    }),
    figure('puts per aborted transaction, the ticks included', aborted.puts.toFixed(2)),
  ];
}

/** The parts that no coordinator could do without, and the whole, in turn: machines drift. */
export async function commitLatency({ etcd, cluster, quick }: Setting): Promise<readonly Figure[]> {
  const samples = quick ? quickSamples : usualSamples;
  const client = await cluster.client();
  const [node] = cluster.running;
  if (node === undefined) throw new Error('No node runs.');
  const participant = new Child('test/bench/participants.ts', {
    args: [`${cluster.directory}/plain`, String(node.port), plain],
  });
  await participant.line(/ready/);
  const raw = new Etcd3({ hosts: [...etcd.endpoints] });
  const directory = temporaryDirectory();
  const journal = await openLmdbJournal({
    directory: directory.path,
    clock: realClock,
    random: realRandom,
  });
  const leader = await cluster.leader();
  const socket = await pinger(cluster.node(leader.node).url);
  const parts: Record<'commit' | 'put' | 'vote' | 'trip', number[]> = {
    commit: [],
    put: [],
    vote: [],
    trip: [],
  };
  await eventually(
    async () => ((await client.transact({ branches: one })).outcome === 'committed' ? true : null),
    () => 'the plain participant to be there',
  );
  let sequence = 0;
  const measure = async (name: keyof typeof parts, body: () => Promise<unknown>): Promise<void> => {
    const atMs = performance.now();
    await body();
    parts[name].push(performance.now() - atMs);
  };
  const value = Buffer.alloc(200, 'x');
  for (let round = 0; round < samples; round += 1) {
    await measure('commit', () => client.transact({ branches: one }));
    await measure('put', () => raw.kv.put({ key: Buffer.from(`/bench/${round}`), value }));
    sequence += 1;
    const txid = txidAt(leader.epoch, sequence);
    await measure('vote', () =>
      journal.vote({
        txid,
        branch: 'a',
        state: 'prepared',
        epoch: leader.epoch,
        witness: null,
        atMs: Date.now(),
      }),
    );
    await measure('trip', () => {
      const pong = Promise.withResolvers<void>();
      socket.once('pong', pong.resolve);
      socket.ping();
      return within(pong.promise, 'a pong');
    });
  }
  socket.terminate();
  await participant.kill();
  await journal.close();
  raw.close();
  directory.remove();
  const [commit, put, vote, trip] = [parts.commit, parts.put, parts.vote, parts.trip].map(
    median,
  ) as [number, number, number, number];
  const floor = put + vote + 2 * trip;
  return [
    figure('commit latency, p50 at 1 in flight', milliseconds(commit)),
    figure(
      'p50 of an etcd put + a durable vote + 2 WebSocket round trips, ms',
      `${put.toFixed(2)} + ${vote.toFixed(2)} + 2 x ${trip.toFixed(2)}`,
    ),
    figure('that commit, in times their sum', (commit / floor).toFixed(2), {
      aim: '<= 1.25',
      met: commit / floor <= 1.25,
    }),
  ];
}

/** A connection for pings. It says hello: one that does not is closed after 5 s. */
async function pinger(address: string): Promise<WebSocket> {
  const socket = new WebSocket(`ws://${address}/v1`, ['verdict.v1']);
  socket.on('error', () => undefined);
  await within(new Promise((resolve) => socket.once('open', resolve)), 'a connection for pings');
  const welcomed = new Promise((resolve) => socket.once('message', resolve));
  const who = { name: 'pinger', instance: 'pinger', roles: ['client'] };
  socket.send(JSON.stringify({ type: 'hello', protocol: 1, ...who }));
  await within(welcomed, 'a welcome');
  return socket;
}

export async function groupCommit(
  etcd: TestEtcd,
  { durationMs, rounds }: Pick<SectionGiven, 'durationMs' | 'rounds'>,
): Promise<readonly Figure[]> {
  const directory = temporaryDirectory();
  const log = await openEtcdLog({
    endpoints: etcd.endpoints,
    cluster: 'figures',
    node: 'figures',
    url: 'ws://127.0.0.1',
    stateDirectory: directory.path,
    clock: realClock,
    random: realRandom,
  });
  const leadership = await log.campaign(0, { signal: never });
  const raw = new Etcd3({ hosts: [...etcd.endpoints] });
  const inFlight = 256;
  let sequence = 0;
  const decide = async (): Promise<void> => {
    sequence += 1;
    const result = await leadership.decide(commitOf(txidAt(leadership.epoch, sequence)));
    if (result.type !== 'written') throw new Error('A decision was not written.');
  };
  const value = Buffer.alloc(200, 'x');
  const put = async (): Promise<void> => {
    sequence += 1;
    await raw.kv.put({ key: Buffer.from(`/bench/${sequence}`), value });
  };
  const measured: { decisions: Measured[]; puts: Measured[] } = { decisions: [], puts: [] };
  for (let round = 0; round < rounds; round += 1) {
    measured.decisions.push(await closedLoop({ inFlight, durationMs, one: decide }));
    measured.puts.push(await closedLoop({ inFlight, durationMs, one: put }));
  }
  raw.close();
  await log.close();
  directory.remove();
  const decisions = median(measured.decisions.map(({ perSecond }) => perSecond));
  const puts = median(measured.puts.map(({ perSecond }) => perSecond));
  return [
    figure(
      'decisions against single puts, 256 in flight, per second',
      `${decisions.toFixed(0)} : ${puts.toFixed(0)}`,
    ),
    figure('decisions, in times the single puts', (decisions / puts).toFixed(2), {
      aim: '>= 3',
      met: decisions / puts >= 3,
    }),
  ];
}
