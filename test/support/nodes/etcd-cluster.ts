/**
 * A cluster of real processes: coordinator nodes over a real etcd, participants with durable
 * stores, recording clients in this process. Each has a name of its own in etcd, so several may
 * share one; etcd is its maker's to end.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, type ConnectOptions, connect } from '../../../src/client.ts';
import type { CrashPoint } from '../../../src/coordinator/crash-points.ts';
import type { CoordinatorOptions } from '../../../src/core/coordinator-options.ts';
import type { LeaderInfo } from '../../../src/core/messages.ts';
import type { Epoch } from '../../../src/core/txid.ts';
import { check, type Run } from '../checks/checker.ts';
import { History } from '../clients/history.ts';
import { SteadyLoad, type SteadyLoadSettings } from '../clients/steady-load.ts';
import type { TestEtcd } from '../etcd/etcd.ts';
import { EtcdHistory, readEtcdLog } from '../etcd/etcd-history.ts';
import {
  type Identities,
  isSecured,
  type Secured,
  Security,
  type TlsFiles,
} from '../network/security.ts';
import {
  ParticipantProcess,
  type ParticipantProcessSettings,
} from '../participants/participant-process.ts';
import { eventually } from '../process/child.ts';
import { decisionsAt, leadersAt } from './asked-nodes.ts';
import { NodeProcess, quickOptions } from './node-process.ts';

export interface EtcdClusterSettings {
  readonly etcd: Pick<TestEtcd, 'endpoints'>;
  /** Where a node looks for etcd; default: at etcd itself. */
  readonly endpointsOf?: (node: string) => readonly string[];
  /**
   * What a node tells others to dial; default: where it listens. Also what participants and clients
   * are given.
   */
  readonly advertise?: (node: NodeProcess) => Promise<string>;
  readonly nodes?: readonly string[];
  readonly participants?: readonly string[];
  readonly shards?: number;
  readonly leaseTtlMs?: number;
  readonly options?: Partial<CoordinatorOptions>;
  readonly requestWindowMs?: number;
  readonly logLevel?: 'debug' | 'info' | 'warn';
  /** Mutual TLS and an access file. Default: where VERDICT_TEST_SECURE asks for it. */
  readonly secured?: Secured;
  /** Beside the participants above, and a client of the usual name: whom the access file knows. */
  readonly identities?: Partial<Identities>;
  readonly participantSettings?:
    | Partial<ParticipantProcessSettings>
    | ((name: string, cluster: EtcdCluster) => Promise<Partial<ParticipantProcessSettings>>);
}

/** The least that etcd grants. */
export const leaseTtlMs = 2_000;
const usualParticipants = ['a', 'b', 'c'];
/** Of a client that gives none. */
const defaultClientName = 'client';
/** How many transactions are asked about at every node. */
const maxAsked = 40;

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
  #security: Security | null = null;

  private constructor(directory: string, settings: EtcdClusterSettings) {
    this.directory = directory;
    this.#settings = settings;
    this.changes = new EtcdHistory({ endpoints: settings.etcd.endpoints, cluster: this.name });
  }

  static async started(settings: EtcdClusterSettings): Promise<EtcdCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'verdict-cluster-'));
    const cluster = new EtcdCluster(directory, settings);
    try {
      await cluster.#secure();
      const names = settings.nodes ?? ['n1', 'n2', 'n3'];
      for (const name of names) await cluster.#makeNode(name);
      await Promise.all(names.map((name) => cluster.start(name)));
      const { participants = usualParticipants } = settings;
      await Promise.all(participants.map((name) => cluster.addParticipant(name)));
    } catch (error) {
      await cluster.remove();
      throw error;
    }
    return cluster;
  }

  async #secure(): Promise<void> {
    const { secured = false, participants = usualParticipants, identities } = this.#settings;
    if (!isSecured(secured)) return;
    this.#security = await Security.made(this.directory, {
      participants: [...participants, ...(identities?.participants ?? [])],
      clients: [defaultClientName, ...(identities?.clients ?? [])],
    });
  }

  /** Null: everyone may do everything, and nothing is encrypted. */
  get security(): Security | null {
    return this.#security;
  }

  /** What an identity is to give `connect` and `serveParticipant`. */
  async tls(identity: string): Promise<{ readonly tls?: TlsFiles }> {
    return this.#security === null ? {} : { tls: await this.#security.identity(identity) };
  }

  /** What the decision log of it is called. */
  get place(): {
    readonly endpoints: readonly string[];
    readonly cluster: string;
    readonly shards: number;
  } {
    const { etcd, shards = 1 } = this.#settings;
    return { endpoints: etcd.endpoints, cluster: this.name, shards };
  }

  async #makeNode(name: string, more: { readonly advertise?: string } = {}): Promise<void> {
    const { etcd, endpointsOf, options, requestWindowMs, shards, logLevel } = this.#settings;
    const security = this.#security;
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
      ...(security !== null && { operator: security.operator, more: await security.node(name) }),
    } as const;
    const bare = await NodeProcess.make(settings);
    const url = await this.#settings.advertise?.(bare);
    this.#urls.set(name, url ?? bare.url);
    const told = more.advertise ?? url;
    this.nodes.set(name, told === undefined ? bare : bare.with({ ...settings, advertise: told }));
  }

  /**
   * One more. With `advertise` it tells others that address, and those of this cluster are given
   * its own.
   */
  async addNode(
    more: { readonly advertise?: string; readonly build?: string } = {},
  ): Promise<NodeProcess> {
    const name = `n${this.nodes.size + 1}`;
    await this.#makeNode(name, more);
    await this.start(name, more);
    return this.node(name);
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
  async start(name: string, { build }: { readonly build?: string } = {}): Promise<void> {
    this.crashAt(name, null);
    const node = this.node(name);
    if (!(await node.start(build === undefined ? {} : { build })))
      throw new Error(`${name} did not start:\n${node.output()}`);
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

  async addParticipant(
    name: string,
    more: Partial<ParticipantProcessSettings> = {},
    start: { readonly build?: string } = {},
  ): Promise<ParticipantProcess> {
    const { participantSettings } = this.#settings;
    const own =
      typeof participantSettings === 'function'
        ? await participantSettings(name, this)
        : participantSettings;
    const participant = await ParticipantProcess.started(
      {
        name,
        urls: this.urls,
        data: join(this.directory, name),
        ...(await this.tls(name)),
        ...own,
        ...more,
      },
      start,
    );
    this.participants.set(name, participant);
    await participant.connected();
    return participant;
  }

  /** Closed with the cluster. */
  async client(more: Partial<ConnectOptions> = {}): Promise<Client> {
    const tls = await this.tls(more.name ?? defaultClientName);
    const client = await connect({ urls: this.urls, timeoutMs: 20_000, ...tls, ...more });
    this.#clients.push(client);
    return client;
  }

  async load(more: Partial<SteadyLoadSettings> = {}): Promise<SteadyLoad> {
    const clients = more.clients ?? [await this.client(), await this.client()];
    const participants = [...this.participants.keys()];
    return new SteadyLoad({ history: this.history, participants, ...more, clients });
  }

  /**
   * Who leads each shard now, as the nodes that answer say, the leader itself among them: it has
   * recovered what was left.
   */
  async leaders(): Promise<readonly (LeaderInfo | null)[]> {
    const told = new Map<string, readonly (LeaderInfo | null)[] | null>();
    const ask = async (node: NodeProcess): Promise<unknown> =>
      told.set(node.name, await leadersAt(node));
    await Promise.all(this.running.map(ask));
    return Array.from({ length: this.place.shards }, (_, shard) => {
      const known = [...told.values()].flatMap((leaders) => leaders?.[shard] ?? []);
      const newest = known.reduce<LeaderInfo | null>(
        (best, each) => (best === null || each.epoch > best.epoch ? each : best),
        null,
      );
      const own = newest === null ? null : told.get(newest.node)?.[shard];
      return own?.epoch === newest?.epoch ? newest : null;
    });
  }

  /** Waits for a leader; with `after`, under a newer epoch than that. */
  async leader(
    more: { readonly after?: Epoch; readonly shard?: number; readonly timeoutMs?: number } = {},
  ): Promise<LeaderInfo> {
    const { after, shard = 0, timeoutMs } = more;
    return eventually(
      async () => {
        const newest = (await this.leaders())[shard] ?? null;
        return newest === null || (after !== undefined && newest.epoch <= after) ? null : newest;
      },
      () => `a leader of shard ${shard}${after === undefined ? '' : ` after ${after}`}`,
      timeoutMs,
    );
  }

  /** Waits until a node leads the shard, other than `not`. */
  led(shard = 0, not: NodeProcess | null = null): Promise<NodeProcess> {
    return eventually(
      async () => {
        const leader = (await this.leaders())[shard] ?? null;
        const node = leader === null ? null : this.node(leader.node);
        return node === not || node?.running !== true ? null : node;
      },
      () => `a leader of shard ${shard}`,
    );
  }

  /** How many shards each running node leads, by name; null while one is without leader. */
  async shares(): Promise<Record<string, number> | null> {
    const shares = Object.fromEntries(this.running.map(({ name }) => [name, 0]));
    for (const leader of await this.leaders()) {
      if (leader === null || !this.node(leader.node).running) return null;
      shares[leader.node] = (shares[leader.node] ?? 0) + 1;
    }
    return shares;
  }

  async followers(): Promise<readonly NodeProcess[]> {
    const { node } = await this.leader();
    return this.running.filter(({ name }) => name !== node);
  }

  /**
   * Waits until nothing is on its way any more, then holds everything against everything, what
   * every node says of the latest transactions included.
   */
  async settled(
    more: Pick<Run, 'retired'> & { readonly timeoutMs?: number } = {},
  ): Promise<string[]> {
    const { timeoutMs = 20_000, ...run } = more;
    let violations: string[] = ['nothing was checked'];
    try {
      await eventually(
        async () => {
          violations = await this.check(run);
          return violations.length === 0 ? true : null;
        },
        () => 'the run to settle',
        timeoutMs,
      );
      violations = await this.check({ ...run, answers: await this.#answersOfAll() });
    } catch (error) {
      if (violations.length === 0) violations.push(String(error));
    }
    return [...violations, ...this.alarms()];
  }

  async check(more: Pick<Run, 'answers' | 'retired'> = {}): Promise<string[]> {
    const present = [...this.participants.values()].filter(
      ({ name }) => more.retired?.includes(name) !== true,
    );
    return check({
      calls: this.history.calls,
      log: await readEtcdLog(this.place),
      changes: await this.changes.read(),
      participants: present.map((participant) => participant.state()),
      ...more,
    });
  }

  /** What no node and no participant should ever write. */
  alarms(): string[] {
    const nodes = [...this.nodes.values()].flatMap((node) =>
      node.alarms().map((line) => `${node.name}: ${line}`),
    );
    const participants = [...this.participants.values()].flatMap(({ name, child }) =>
      child.lines
        .filter((line) => line.includes('"level":"alarm"'))
        .map((line) => `${name}: ${line}`),
    );
    return [...nodes, ...participants];
  }

  async #answersOfAll(): Promise<NonNullable<Run['answers']>> {
    const txids = this.history.calls.flatMap(({ txid }) => (txid === null ? [] : [txid]));
    const latest = [...new Set(txids)].slice(-maxAsked);
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
