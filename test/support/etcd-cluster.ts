/**
 * A cluster of real processes: coordinator nodes over a real etcd, participants with durable stores, recording clients
 * in this process. Each has a name of its own in etcd, so several may share one.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, connect } from '../../src/client.ts';
import type { CrashPoint } from '../../src/coordinator/crash-points.ts';
import type { LeaderInfo } from '../../src/core/messages.ts';
import type { CoordinatorOptions } from '../../src/core/options.ts';
import type { Epoch, Txid } from '../../src/core/txid.ts';
import { check, type Run } from './checker.ts';
import { eventually } from './child.ts';
import type { TestEtcd } from './etcd.ts';
import { EtcdHistory, readEtcdLog } from './etcd-history.ts';
import { History } from './history.ts';
import { NodeProcess, quickOptions } from './node-process.ts';
import { ParticipantProcess, type ParticipantProcessSettings } from './participant-process.ts';
import { RawPeer } from './raw-peer.ts';
import { SteadyLoad, type SteadyLoadSettings } from './steady-load.ts';

export interface EtcdClusterSettings {
  readonly etcd: Pick<TestEtcd, 'endpoints'>;
  /** Where a node looks for etcd; default: at etcd itself. */
  readonly endpointsOf?: (node: string) => readonly string[];
  /** What a node tells others to dial; default: where it listens. Also what participants and clients are given. */
  readonly advertise?: (node: NodeProcess) => Promise<string>;
  readonly nodes?: readonly string[];
  readonly participants?: readonly string[];
  readonly shards?: number;
  readonly leaseTtlMs?: number;
  readonly options?: Partial<CoordinatorOptions>;
  readonly requestWindowMs?: number;
  readonly logLevel?: 'debug' | 'info' | 'warn';
  readonly participantSettings?:
    | Partial<ParticipantProcessSettings>
    | ((name: string, cluster: EtcdCluster) => Promise<Partial<ParticipantProcessSettings>>);
}

/** The least that etcd grants. */
export const leaseTtlMs = 2_000;
/** How many transactions are asked about at every node. */
const askedMax = 40;

export class EtcdCluster {
  readonly name: string = `c-${randomUUID().slice(0, 8)}`;
  readonly nodes: Map<string, NodeProcess> = new Map();
  readonly participants: Map<string, ParticipantProcess> = new Map();
  readonly history: History = new History();
  readonly changes: EtcdHistory;
  readonly directory: string;
  readonly #settings: EtcdClusterSettings;
  readonly #clients: Client[] = [];
  readonly #urls = new Map<string, string>();

  private constructor(directory: string, settings: EtcdClusterSettings) {
    this.directory = directory;
    this.#settings = settings;
    this.changes = new EtcdHistory({ endpoints: settings.etcd.endpoints, cluster: this.name });
  }

  static async started(settings: EtcdClusterSettings): Promise<EtcdCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'verdict-cluster-'));
    const cluster = new EtcdCluster(directory, settings);
    try {
      const names = settings.nodes ?? ['n1', 'n2', 'n3'];
      for (const name of names) await cluster.#makeNode(name);
      await Promise.all(names.map((name) => cluster.start(name)));
      const participants = settings.participants ?? ['a', 'b', 'c'];
      await Promise.all(participants.map((name) => cluster.addParticipant(name)));
    } catch (error) {
      await cluster.remove();
      throw error;
    }
    return cluster;
  }

  async #makeNode(name: string): Promise<void> {
    const { etcd, endpointsOf, options, requestWindowMs, shards, logLevel } = this.#settings;
    const settings = {
      data: join(this.directory, name),
      node: name,
      options: { ...quickOptions, ...options },
      crashFile: join(this.directory, `${name}.crash`),
      logLevel: logLevel ?? 'info',
      etcd: {
        endpoints: endpointsOf?.(name) ?? etcd.endpoints,
        cluster: this.name,
        leaseTtlMs: this.#settings.leaseTtlMs ?? leaseTtlMs,
        ...(shards === undefined ? {} : { shards }),
      },
      ...(requestWindowMs === undefined ? {} : { requestWindowMs }),
    } as const;
    const bare = await NodeProcess.make(settings);
    const url = await this.#settings.advertise?.(bare);
    this.#urls.set(name, url ?? bare.url);
    this.nodes.set(name, url === undefined ? bare : bare.with({ ...settings, advertise: url }));
  }

  get urls(): readonly string[] {
    return [...this.#urls.values()];
  }

  get running(): readonly NodeProcess[] {
    return [...this.nodes.values()].filter((node) => node.running);
  }

  node(name: string): NodeProcess {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`There is no node ${name}.`);
    return node;
  }

  participant(name: string): ParticipantProcess {
    const participant = this.participants.get(name);
    if (participant === undefined) throw new Error(`There is no participant ${name}.`);
    return participant;
  }

  /** Starts a node that does not run. */
  async start(name: string): Promise<void> {
    this.crashAt(name, null);
    const node = this.node(name);
    if (!(await node.start())) throw new Error(`${name} did not start:\n${node.output()}`);
  }

  /** Starts every node that does not run. */
  async startAll(): Promise<void> {
    const stopped = [...this.nodes].filter(([, node]) => !node.running);
    await Promise.all(stopped.map(([name]) => this.start(name)));
  }

  /** Where a node that runs is to die. */
  crashAt(name: string, point: CrashPoint | null): void {
    writeFileSync(join(this.directory, `${name}.crash`), point ?? '');
  }

  async addParticipant(name: string): Promise<ParticipantProcess> {
    const { participantSettings } = this.#settings;
    const own =
      typeof participantSettings === 'function'
        ? await participantSettings(name, this)
        : participantSettings;
    const participant = await ParticipantProcess.started({
      name,
      urls: this.urls,
      data: join(this.directory, name),
      ...own,
    });
    this.participants.set(name, participant);
    await participant.connected();
    return participant;
  }

  /** Closed with the cluster. */
  async client(timeoutMs = 20_000): Promise<Client> {
    const client = await connect({ urls: [...this.urls], timeoutMs });
    this.#clients.push(client);
    return client;
  }

  async load(more: Partial<SteadyLoadSettings> = {}): Promise<SteadyLoad> {
    const clients = more.clients ?? [await this.client(), await this.client()];
    const participants = [...this.participants.keys()];
    return new SteadyLoad({ history: this.history, participants, ...more, clients });
  }

  /** Who leads, as the nodes that answer say; with `after`, under a newer epoch than that. */
  async leader(
    more: { readonly after?: Epoch; readonly shard?: number; readonly timeoutMs?: number } = {},
  ): Promise<LeaderInfo> {
    const { after, shard = 0, timeoutMs } = more;
    return eventually(
      async () => {
        const told = await Promise.all(this.running.map((node) => leadersAt(node)));
        const known = told.flatMap((leaders) => leaders?.[shard] ?? []);
        const newest = known.reduce<LeaderInfo | null>(
          (best, each) => (best === null || each.epoch > best.epoch ? each : best),
          null,
        );
        if (newest === null || (after !== undefined && newest.epoch <= after)) return null;
        // It says so itself: it has recovered what was left.
        const own = await leadersAt(this.node(newest.node));
        return own?.[shard]?.epoch === newest.epoch ? newest : null;
      },
      () => `a leader of shard ${shard}${after === undefined ? '' : ` after ${after}`}`,
      timeoutMs,
    );
  }

  async followers(): Promise<readonly NodeProcess[]> {
    const { node } = await this.leader();
    return this.running.filter(({ name }) => name !== node);
  }

  /**
   * Waits until nothing is on its way any more, then holds everything against everything, what every node says of
   * the latest transactions included.
   */
  async settled(more: Pick<Run, 'retired'> = {}): Promise<string[]> {
    let violations: string[] = ['nothing was checked'];
    try {
      await eventually(
        async () => {
          violations = await this.check(more);
          return violations.length === 0 ? true : null;
        },
        () => 'the run to settle',
        20_000,
      );
      violations = await this.check({ ...more, answers: await this.#answersOfAll() });
    } catch (error) {
      if (violations.length === 0) violations.push(String(error));
    }
    return [...violations, ...this.alarms()];
  }

  async check(more: Pick<Run, 'answers' | 'retired'> = {}): Promise<string[]> {
    const { etcd, shards = 1 } = this.#settings;
    const present = [...this.participants.values()].filter(
      ({ name }) => more.retired?.includes(name) !== true,
    );
    return check({
      calls: this.history.calls,
      log: await readEtcdLog({ endpoints: etcd.endpoints, cluster: this.name, shards }),
      changes: await this.changes.read(),
      participants: present.map((participant) => participant.state()),
      ...more,
    });
  }

  /** What no node and no participant should ever write. */
  alarms(): string[] {
    const nodes = [...this.nodes.values()].flatMap((node) => node.alarms());
    const participants = [...this.participants.values()].flatMap(({ child }) =>
      child.lines.filter((line) => line.includes('"level":"alarm"')),
    );
    return [...nodes, ...participants];
  }

  async #answersOfAll(): Promise<NonNullable<Run['answers']>> {
    const txids = this.history.calls.flatMap(({ txid }) => (txid === null ? [] : [txid]));
    const latest = [...new Set(txids)].slice(-askedMax);
    const answers = await Promise.all(this.running.map((node) => decisionsAt(node, latest)));
    return answers.flat();
  }

  async remove(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    const processes = [...this.participants.values(), ...this.nodes.values()];
    await Promise.all(processes.filter(({ running }) => running).map((each) => each.kill()));
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Null where the node does not answer now. */
async function leadersAt(node: NodeProcess): Promise<readonly (LeaderInfo | null)[] | null> {
  if (!node.running) return null;
  try {
    const peer = await RawPeer.greeted(node.url, { name: 'looker', roles: ['client'] }, 1_000);
    const [welcome] = peer.received;
    await peer.close();
    return welcome?.type === 'welcome' ? welcome.leaders : null;
  } catch {
    return null;
  }
}

async function decisionsAt(
  node: NodeProcess,
  txids: readonly Txid[],
): Promise<{ txid: Txid; committed: boolean }[]> {
  const peer = await RawPeer.greeted(node.url, { name: 'checker', roles: ['operator'] });
  const [welcome] = peer.received;
  const leads =
    welcome?.type === 'welcome' && welcome.leaders.some((leader) => leader?.node === node.name);
  try {
    const replies = await Promise.all(
      txids.map((txid, index) => peer.ask({ type: 'query', id: index + 1, txid, inDoubt: false })),
    );
    return replies.flatMap((reply) => {
      if (reply.type !== 'decision') throw new Error(`${node.name} said ${JSON.stringify(reply)}`);
      const { txid, decision } = reply;
      // What its leader aborted is nowhere in the log; only that leader knows.
      if (decision === 'undecided' && leads)
        throw new Error(`${node.name} leads, and cannot say ${txid}`);
      const open = decision === 'undecided' || decision === 'expired';
      return open ? [] : [{ txid, committed: decision === 'commit' }];
    });
  } finally {
    await peer.close();
  }
}
