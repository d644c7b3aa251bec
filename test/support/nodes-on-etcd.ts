/** A whole cluster of real processes in one temporary directory: etcd, nodes, participants, recording clients. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import type { EtcdPrograms } from '../../cluster/etcd/find.ts';
import { type Client, type ConnectOptions, connect } from '../../src/client.ts';
import { EtcdKeys } from '../../src/decision-log/etcd/keys.ts';
import { decodeLeader } from '../../src/decision-log/etcd/records.ts';
import { check } from './checker.ts';
import { eventually, pause } from './child.ts';
import { TestEtcd } from './etcd.ts';
import { type Change, EtcdHistory, readEtcdLog } from './etcd-history.ts';
import { History } from './history.ts';
import { NodeProcess, type NodeSettings, quickOptions } from './node-process.ts';
import { ParticipantProcess, type ParticipantProcessSettings } from './participant-process.ts';

export interface NodesOnEtcdSettings {
  readonly programs: EtcdPrograms;
  readonly members?: 1 | 3;
  readonly nodes?: number;
  readonly shards?: number;
  readonly leaseTtlMs?: number;
  readonly participants?: readonly string[];
  readonly participantSettings?: Partial<ParticipantProcessSettings>;
  readonly nodeSettings?: Partial<NodeSettings>;
  /** Whether participants may read the decision log themselves, and force an abort in it. */
  readonly direct?: { readonly resolve: boolean };
  /** Participants whose stores another check looks into. */
  readonly checkedElsewhere?: readonly string[];
}

const clusterName = 'test';

export class NodesOnEtcd {
  readonly directory: string;
  readonly etcd: TestEtcd;
  readonly nodes: NodeProcess[] = [];
  readonly participants: Map<string, ParticipantProcess> = new Map();
  readonly history: History = new History();
  readonly #settings: NodesOnEtcdSettings;
  readonly #clients: Client[] = [];
  readonly #keys = new EtcdKeys(clusterName);
  readonly #raw: Etcd3;
  readonly #changes: EtcdHistory;
  #lastNode = 0;

  private constructor(directory: string, etcd: TestEtcd, settings: NodesOnEtcdSettings) {
    this.directory = directory;
    this.etcd = etcd;
    this.#settings = settings;
    this.#raw = new Etcd3({ hosts: [...etcd.endpoints] });
    this.#changes = new EtcdHistory(this.place);
  }

  static async started(settings: NodesOnEtcdSettings): Promise<NodesOnEtcd> {
    const directory = await mkdtemp(join(tmpdir(), 'verdict-cluster-'));
    const etcd = await TestEtcd.start(settings.programs, { members: settings.members ?? 1 });
    const cluster = new NodesOnEtcd(directory, etcd, settings);
    try {
      // The first alone: it writes what the others must agree with.
      await cluster.addNode();
      await Promise.all(Array.from({ length: (settings.nodes ?? 3) - 1 }, () => cluster.addNode()));
      const names = settings.participants ?? ['a', 'b', 'c'];
      await Promise.all(names.map((name) => cluster.addParticipant(name)));
    } catch (error) {
      await cluster.remove();
      throw error;
    }
    return cluster;
  }

  get place(): {
    readonly endpoints: readonly string[];
    readonly cluster: string;
    readonly shards: number;
  } {
    return {
      endpoints: this.etcd.endpoints,
      cluster: clusterName,
      shards: this.#settings.shards ?? 1,
    };
  }

  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url);
  }

  async addNode(more: Partial<NodeSettings> = {}): Promise<NodeProcess> {
    const { leaseTtlMs = 2_000, shards = 1, nodeSettings } = this.#settings;
    this.#lastNode += 1;
    const name = `n${this.#lastNode}`;
    const node = await NodeProcess.make({
      data: join(this.directory, name),
      node: name,
      logLevel: 'info',
      etcd: { endpoints: this.etcd.endpoints, cluster: clusterName, leaseTtlMs, shards },
      options: { ...quickOptions, ...nodeSettings?.options },
      ...more,
    });
    this.nodes.push(node);
    if (!(await node.start())) throw new Error(`${name} did not start:\n${node.output()}`);
    return node;
  }

  async addParticipant(
    name: string,
    more: Partial<ParticipantProcessSettings> = {},
  ): Promise<ParticipantProcess> {
    const { direct, participantSettings } = this.#settings;
    const { endpoints, cluster } = this.place;
    const participant = await ParticipantProcess.started({
      name,
      urls: this.urls,
      data: join(this.directory, name),
      ...(direct === undefined ? {} : { decisionLog: { etcd: { endpoints, cluster, ...direct } } }),
      ...participantSettings,
      ...more,
    });
    this.participants.set(name, participant);
    await participant.connected();
    return participant;
  }

  participant(name: string): ParticipantProcess {
    const participant = this.participants.get(name);
    if (participant === undefined) throw new Error(`There is no participant ${name}.`);
    return participant;
  }

  /** Closed with the cluster. */
  async client(more: Partial<ConnectOptions> = {}): Promise<Client> {
    const client = await connect({ urls: this.urls, timeoutMs: 20_000, ...more });
    this.#clients.push(client);
    return client;
  }

  /** Who leads the shard, as the leader key says now; null while nobody does. */
  async leader(shard = 0): Promise<NodeProcess | null> {
    const { kvs } = await this.#raw.kv.range({ key: this.#keys.shard(shard).leader });
    const [kv] = kvs;
    if (kv === undefined) return null;
    const { node } = decodeLeader(kv.value);
    return this.nodes.find(({ name }) => name === node) ?? null;
  }

  /** Waits until somebody who runs leads it, other than `not`. */
  led(shard = 0, not: NodeProcess | null = null): Promise<NodeProcess> {
    return eventually(
      async () => {
        const leader = await this.leader(shard).catch(() => null);
        return leader !== null && leader !== not && leader.running ? leader : null;
      },
      () => `a leader of shard ${shard}`,
    );
  }

  /** How many shards each running node leads, by name; null while one is without leader. */
  async shares(): Promise<Record<string, number> | null> {
    const shares: Record<string, number> = {};
    for (const node of this.nodes) if (node.running) shares[node.name] = 0;
    for (let shard = 0; shard < this.place.shards; shard += 1) {
      const leader = await this.leader(shard);
      if (leader === null || !leader.running) return null;
      shares[leader.name] = (shares[leader.name] ?? 0) + 1;
    }
    return shares;
  }

  /** Waits until nothing is on its way any more, then holds everything against everything. */
  async settled(timeoutMs = 20_000): Promise<string[]> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const violations = await this.check().catch((error: unknown) => [String(error)]);
      if (violations.length === 0 || performance.now() > untilMs) return violations;
      await pause(200);
    }
  }

  /** All that etcd ever saw, up to now. */
  changes(): Promise<readonly Change[]> {
    return this.#changes.read();
  }

  async check(): Promise<string[]> {
    const changes = await this.changes();
    return check({
      calls: this.history.calls,
      log: await readEtcdLog(this.place),
      changes,
      retired: this.#settings.checkedElsewhere ?? [],
      participants: [...this.participants.values()].map((participant) => participant.state()),
    });
  }

  /** What no node and no participant should ever write. */
  alarms(): string[] {
    const nodes = this.nodes.flatMap((node) =>
      node.alarms().map((line) => `${node.name}: ${line}`),
    );
    const participants = [...this.participants.values()].flatMap(({ name, child }) =>
      child.lines
        .filter((line) => line.includes('"level":"alarm"'))
        .map((line) => `${name}: ${line}`),
    );
    return [...nodes, ...participants];
  }

  async remove(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    const children = [...this.participants.values(), ...this.nodes].filter(
      ({ running }) => running,
    );
    await Promise.all(children.map((child) => child.kill()));
    this.#raw.close();
    await this.etcd.dispose();
    await rm(this.directory, { recursive: true, force: true });
  }
}
