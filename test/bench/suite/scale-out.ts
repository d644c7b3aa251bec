/** What a node does where more of them share the work: shards spread over one, two and four. */
import { join } from 'node:path';
import { type Client, connect } from '../../../src/client.ts';
import { leadersAt } from '../../support/nodes/asked-nodes.ts';
import { NodeProcess } from '../../support/nodes/node-process.ts';
import { Child, eventually, pause } from '../../support/process/child.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';
import { closedLoop, median, refused } from '../load.ts';
import { payload, probed, startEtcd } from '../rig/bench-cluster.ts';
import { poissonArrivals, runOpenLoop } from '../rig/paced.ts';
import { cpuMsOf, messagesIn, trafficOf } from '../rig/usage.ts';
import type { Chart, Findings, Section, SectionGiven, Table, Target } from './section.ts';

const counts = [1, 2, 4];
const quickCounts = [1, 2];
const names = ['a', 'b', 'c'] as const;
const inFlight = 64;
/** Of what one node reaches, for each node: four of them get half, and the machine can do it. */
const part = 1 / 8;
const warmUpPart = 0.5;
/** Of a loop, against the suite's measurements: by chance shards are even only of many. */
const longer = 2;
const restMs = 300;
const spreadTimeoutMs = 60_000;
const warmUps = 3_000;
const quickWarmUps = 500;
/** Of an even share: what each node does for itself comes on top, and shards go by chance. */
const mostOfShare = 1.25;

/** For a transaction of the whole cluster. */
export interface NodeWork {
  readonly cpuMs: number;
  readonly messages: number;
}

export interface Scaled {
  readonly nodes: number;
  readonly perSecond: number;
  readonly etcdCpuMs: number;
  readonly etcdPuts: number;
  readonly work: readonly NodeWork[];
}

export const scaleOut: Section = {
  name: 'scale-out',
  title: 'Shards spread over nodes',
  about:
    'One, two and four nodes over one etcd, as many shards as nodes and each node the leader of ' +
    'one; transactions of three branches, their shard drawn by the client. The load, an open loop, ' +
    'grows with the nodes: an eighth of what one node takes from 64 in flight for each. What a node ' +
    'does for a transaction of the whole cluster is to fall as nodes are added. CPU is of loops in ' +
    'which messages are not counted. All share the cores of this machine, so throughput says ' +
    'nothing here.',
  run: async (given) => {
    const all: Scaled[] = [];
    let ofOne: number | null = null;
    for (const nodes of given.quick ? quickCounts : counts) {
      const cluster = await Cluster.started(given, nodes);
      try {
        await cluster.warmUp(given);
        ofOne ??= part * (await cluster.peak(given));
        all.push(await measured(given, { cluster, perSecond: ofOne * nodes }));
      } finally {
        await cluster.remove();
      }
    }
    return findingsOf(all);
  },
};

async function measured(
  { rounds, progress, ...given }: SectionGiven,
  { cluster, perSecond }: { readonly cluster: Cluster; readonly perSecond: number },
): Promise<Scaled> {
  const random = seededRandom(6);
  const durationMs = given.durationMs * longer;
  const loop = async (): Promise<void> => {
    const due = poissonArrivals({ perSecond, durationMs, random });
    const { failed } = await runOpenLoop({ due, durationMs, one: () => cluster.transact() });
    if (failed > 0)
      throw new Error(`${failed} transactions failed at less than half of what a node takes.`);
    await pause(restMs);
  };
  const ofRounds: Scaled[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    progress(`nodes: ${cluster.nodes.length}, round ${round} of ${rounds}`);
    const before = { ...(await cluster.used()), committed: cluster.committed };
    await loop();
    const after = await cluster.used();
    const count = cluster.committed - before.committed;
    const each = (of: 'etcdCpuMs' | 'etcdPuts'): number => (after[of] - before[of]) / count;
    const cpuMs = after.cpuMs.map((used, index) => (used - (before.cpuMs[index] ?? 0)) / count);
    const messages = await cluster.messages(loop);
    ofRounds.push({
      nodes: cluster.nodes.length,
      perSecond,
      etcdCpuMs: each('etcdCpuMs'),
      etcdPuts: each('etcdPuts'),
      work: cpuMs.map((ms, index) => ({ cpuMs: ms, messages: messages[index] ?? Number.NaN })),
    });
  }
  const middle = (value: (each: Scaled) => number): number => median(ofRounds.map(value));
  return {
    nodes: cluster.nodes.length,
    perSecond,
    etcdCpuMs: middle(({ etcdCpuMs }) => etcdCpuMs),
    etcdPuts: middle(({ etcdPuts }) => etcdPuts),
    work: cluster.nodes.map((_, index) => ({
      cpuMs: middle(({ work }) => work[index]?.cpuMs ?? Number.NaN),
      messages: middle(({ work }) => work[index]?.messages ?? Number.NaN),
    })),
  };
}

class Cluster {
  readonly nodes: NodeProcess[] = [];
  committed = 0;
  readonly #endings: (() => unknown)[] = [];
  #client: Client | null = null;
  #etcd: Awaited<ReturnType<typeof startEtcd>> | null = null;

  static async started({ directory, progress }: SectionGiven, count: number): Promise<Cluster> {
    const cluster = new Cluster();
    try {
      progress(`nodes: ${count}: starting`);
      await cluster.#start(join(directory, `${count}`), count);
      return cluster;
    } catch (error) {
      await cluster.remove();
      throw error;
    }
  }

  async #start(directory: string, count: number): Promise<void> {
    const etcd = await startEtcd();
    this.#etcd = etcd;
    this.#endings.push(() => etcd.dispose());
    for (let index = 1; index <= count; index += 1) {
      const node = await NodeProcess.make({
        data: join(directory, `n${index}`),
        node: `n${index}`,
        logLevel: 'info',
        through: probed,
        etcd: { endpoints: etcd.endpoints, cluster: 'bench', shards: count },
      });
      this.#endings.push(() => (node.running ? node.kill() : null));
      if (!(await node.start())) throw new Error(node.output());
      this.nodes.push(node);
    }
    const ports = this.nodes.map(({ port }) => port).join(',');
    const args = [join(directory, 'services'), ports, ...names];
    const services = new Child('test/bench/participants.ts', { args });
    this.#endings.push(() => services.kill());
    if ((await services.line(/^ready$/)) === null) throw new Error(services.lines.join('\n'));
    await eventually(
      () => this.#isSpread(),
      () => 'each node to lead one shard',
      spreadTimeoutMs,
    );
    const client = await connect({ urls: this.nodes.map(({ url }) => url), timeoutMs: 30_000 });
    this.#client = client;
    this.#endings.push(() => client.close());
  }

  async #isSpread(): Promise<true | null> {
    const [first] = this.nodes;
    const leaders = first === undefined ? null : await leadersAt(first);
    const leading = new Set(leaders?.flatMap((leader) => leader?.node ?? []));
    return leading.size === this.nodes.length ? true : null;
  }

  async transact(): Promise<void> {
    if (this.#client === null) throw new Error('No client is connected.');
    const branches = names.map((participant) => ({ participant, payload }));
    const outcome = await this.#client.transact({ branches });
    if (outcome.outcome !== 'committed') throw refused(outcome.reason);
    this.committed += 1;
  }

  async warmUp({ quick, progress }: SectionGiven): Promise<void> {
    progress(`nodes: ${this.nodes.length}: warming up`);
    let left = quick ? quickWarmUps : warmUps;
    const loop = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        // At first participants may still be on their way to some leader.
        await this.transact().catch(() => pause(restMs));
      }
    };
    await Promise.all(Array.from({ length: inFlight }, loop));
  }

  async peak({ durationMs }: SectionGiven): Promise<number> {
    const warmUpMs = durationMs * warmUpPart;
    const one = (): Promise<void> => this.transact();
    return (await closedLoop({ inFlight, durationMs, warmUpMs, one })).perSecond;
  }

  /** So far: of each node, and of etcd. */
  async used(): Promise<{
    readonly cpuMs: readonly number[];
    readonly etcdCpuMs: number;
    readonly etcdPuts: number;
  }> {
    const member = this.#etcd?.member;
    return {
      cpuMs: this.nodes.map(({ child }) => cpuMsOf(child.pid)),
      etcdCpuMs: member === undefined ? Number.NaN : cpuMsOf(member.pid),
      etcdPuts: (await member?.metric('etcd_mvcc_put_total')) ?? Number.NaN,
    };
  }

  /** Of each node, for a transaction. */
  async messages(work: () => Promise<void>): Promise<readonly number[]> {
    const before = this.committed;
    const children = this.nodes.map(({ child }) => child);
    const traffic = await trafficOf(children, work);
    return traffic.map((each) => messagesIn(each) / (this.committed - before));
  }

  async remove(): Promise<void> {
    for (const end of this.#endings.splice(0).reverse()) await end();
  }
}

/** Of an even share of what one node does alone: 1 is as it should be. */
export function shareOf(
  all: readonly Scaled[],
  { nodes, work }: Scaled,
  of: keyof NodeWork,
): number {
  const alone = all.find((each) => each.nodes === 1)?.work[0]?.[of] ?? Number.NaN;
  return Math.max(...work.map((each) => each[of])) / (alone / nodes);
}

export function findingsOf(all: readonly Scaled[]): Findings {
  const most = (work: readonly NodeWork[], of: keyof NodeWork): number =>
    Math.max(...work.map((each) => each[of]));
  const sum = (work: readonly NodeWork[], of: keyof NodeWork): number =>
    work.reduce((total, each) => total + each[of], 0);
  const table: Table = {
    title: 'For a transaction of the whole cluster, one etcd',
    columns: [
      'nodes and shards',
      'offered tx/s',
      'busiest node CPU ms',
      'of an even share %',
      'all nodes CPU ms',
      'busiest node messages',
      'of an even share, messages %',
      'all nodes messages',
      'etcd CPU ms',
      'etcd puts',
    ],
    rows: all.map((each) => [
      each.nodes,
      Math.round(each.perSecond),
      most(each.work, 'cpuMs'),
      Math.round(shareOf(all, each, 'cpuMs') * 100),
      sum(each.work, 'cpuMs'),
      most(each.work, 'messages'),
      Math.round(shareOf(all, each, 'messages') * 100),
      sum(each.work, 'messages'),
      each.etcdCpuMs,
      each.etcdPuts,
    ]),
  };
  const chart: Chart = {
    name: 'scale-out',
    title: 'Work of the busiest node for a transaction',
    x: { title: 'nodes and shards', scale: 'logarithmic' },
    y: { title: '% of what one node does alone', scale: 'linear' },
    lines: (['cpuMs', 'messages'] as const).map((of) => ({
      name: of === 'cpuMs' ? 'CPU' : 'messages',
      points: all.map((each) => ({
        x: each.nodes,
        y: (shareOf(all, each, of) / each.nodes) * 100,
      })),
    })),
  };
  const targets = all
    .filter(({ nodes }) => nodes > 1)
    .flatMap((each) =>
      (['cpuMs', 'messages'] as const).map((of): Target => {
        const share = shareOf(all, each, of);
        const what = of === 'cpuMs' ? 'CPU' : 'Messages';
        return {
          what: `${what} of the busiest of ${each.nodes} nodes beside an even share of one node's`,
          aim: `<= ${mostOfShare} times`,
          measured: `${share.toFixed(2)} times`,
          met: share <= mostOfShare,
        };
      }),
    );
  return { tables: [table], charts: [chart], targets };
}
