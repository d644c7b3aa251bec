/**
 * What the sections measure: one node as `verdict serve` runs it, on its own store or on one etcd,
 * participants that hold nothing of their own, and clients in this process.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type Client, connect } from '../../../src/client.ts';
import type { CoordinatorOptions } from '../../../src/core/coordinator-options.ts';
import { embeddedLogFile } from '../../../src/decision-log/embedded/log.ts';
import { etcdsToTest, TestEtcd } from '../../support/etcd/etcd.ts';
import { NodeProcess } from '../../support/nodes/node-process.ts';
import { Child, eventually } from '../../support/process/child.ts';
import { refused } from '../load.ts';
import { type Proof, type SecretPlace, secretPlace } from './secret-place.ts';

export type LogKind = 'embedded' | 'one etcd';
export const logKinds: readonly LogKind[] = ['embedded', 'one etcd'];

export interface BenchClusterSettings {
  readonly log: LogKind;
  /** Removed by its maker. */
  readonly directory: string;
  /** Default: a, b and c. */
  readonly participants?: readonly string[];
  /** How many processes the participants share. Default 1. */
  readonly processes?: number;
  /** Default 1. */
  readonly clients?: number;
  readonly options?: Partial<CoordinatorOptions>;
  /** An access file says what each may do, who shows who it is in that way. Default: none does. */
  readonly proof?: Proof;
  readonly issuers?: readonly object[];
  /** A command that runs the rest of its line as one, for a process of that name. */
  readonly through?: (process: string) => readonly string[];
}

const connectAtOnce = 50;
const warming = {
  inFlight: 64,
  transactions: 5_000,
  quickTransactions: 500,
  maxMs: 20_000,
} as const;
export const payload = { amount: 1, key: 'abc' } as const;
const probe = new URL('./probe.ts', import.meta.url).href;

/** Runs a process under the probe. */
export const probed: readonly string[] = probedWith([]);

/** With flags of Node's own. */
export function probedWith(flags: readonly string[]): readonly string[] {
  return ['env', `NODE_OPTIONS=${['--expose-gc', ...flags, '--import', probe].join(' ')}`];
}

export class BenchCluster {
  readonly names: readonly string[];
  readonly services: Child[] = [];
  readonly clients: Client[] = [];
  readonly etcd: TestEtcd | null;
  readonly leader: NodeProcess;
  /** Null: there is no access file. */
  readonly secret: SecretPlace | null;
  /** Transactions so far. */
  committed = 0;
  readonly #settings: BenchClusterSettings;
  readonly #groups: readonly { readonly directory: string; readonly names: readonly string[] }[];
  #turn = 0;

  private constructor(
    settings: BenchClusterSettings,
    given: {
      readonly etcd: TestEtcd | null;
      readonly leader: NodeProcess;
      readonly secret: SecretPlace | null;
    },
  ) {
    const { participants = ['a', 'b', 'c'], processes = 1, directory } = settings;
    this.names = participants;
    this.etcd = given.etcd;
    this.leader = given.leader;
    this.secret = given.secret;
    this.#settings = settings;
    const size = Math.ceil(participants.length / processes);
    this.#groups = Array.from({ length: processes }, (_, index) => ({
      directory: join(directory, `services-${index}`),
      names: participants.slice(index * size, (index + 1) * size),
    }));
  }

  static async started(settings: BenchClusterSettings): Promise<BenchCluster> {
    const { log, directory, clients = 1 } = settings;
    await mkdir(directory, { recursive: true });
    const etcd = log === 'one etcd' ? await startEtcd() : null;
    const { proof, issuers = [] } = settings;
    const secret =
      proof === undefined
        ? null
        : await secretPlace({ directory: join(directory, 'secret'), proof, issuers });
    const leader = await NodeProcess.make({
      data: join(directory, 'node'),
      logLevel: 'info',
      through: settings.through?.('leader') ?? [],
      more: secret?.nodeArguments ?? [],
      ...(settings.options === undefined ? {} : { options: settings.options }),
      ...(etcd === null ? {} : { etcd: { endpoints: etcd.endpoints, cluster: clusterName } }),
    });
    const cluster = new BenchCluster(settings, { etcd, leader, secret });
    try {
      await cluster.startLeader();
      await cluster.startServices();
      await cluster.connect(clients);
      for (const name of cluster.names) await cluster.#serves(name);
      return cluster;
    } catch (error) {
      await cluster.remove();
      throw error;
    }
  }

  async startLeader(): Promise<void> {
    if (!(await this.leader.start())) throw new Error(this.leader.output());
  }

  /** Resolves when they serve; they may still be on their way to the leader. */
  async startServices(): Promise<void> {
    const through = this.#settings.through?.('participants') ?? [];
    for (const { directory, names } of this.#groups) {
      const { secret } = this;
      const more = JSON.stringify(secret?.optionsOf('services') ?? {});
      const args = ['--options', more, directory, String(this.leader.port), ...names];
      this.services.push(new Child('test/bench/participants.ts', { args, through }));
    }
    for (const child of this.services) {
      if ((await child.line(/^ready$/)) === null) throw new Error(child.lines.join('\n'));
    }
  }

  async killServices(): Promise<void> {
    await Promise.all(this.services.splice(0).map((child) => child.kill()));
  }

  /** Of each participant, by its name. */
  get journals(): ReadonlyMap<string, string> {
    return new Map(
      this.#groups.flatMap(({ directory, names }) =>
        names.map((name) => [name, join(directory, name)] as const),
      ),
    );
  }

  /** Of the embedded log. */
  get logPath(): string {
    return join(this.leader.settings.data, embeddedLogFile);
  }

  /** So many clients more. */
  async connect(count: number): Promise<void> {
    for (let left = count; left > 0; left -= connectAtOnce) {
      const some = Array.from({ length: Math.min(left, connectAtOnce) }, () =>
        connect({
          urls: [this.leader.url],
          timeoutMs: 30_000,
          ...this.secret?.optionsOf('clients'),
        }),
      );
      this.clients.push(...(await Promise.all(some)));
    }
  }

  /** So many in all; those that came last go first. */
  async haveClients(count: number): Promise<void> {
    const surplus = this.clients.splice(count);
    await Promise.all(surplus.map((client) => client.close()));
    await this.connect(count - this.clients.length);
  }

  /** The clients take turns. */
  get client(): Client {
    this.#turn += 1;
    const client = this.clients[this.#turn % this.clients.length];
    if (client === undefined) throw new Error('No client is connected.');
    return client;
  }

  /** One transaction of these branches (default: all participants); it must commit. */
  async transact(names: readonly string[] = this.names): Promise<void> {
    const branches = names.map((participant) => ({ participant, payload }));
    const outcome = await this.client.transact({ branches });
    if (outcome.outcome !== 'committed') throw refused(outcome.reason);
    this.committed += 1;
  }

  warmUp(given: { readonly quick: boolean }): Promise<void> {
    return warmUp(this, given);
  }

  async #serves(name: string): Promise<void> {
    await eventually(
      () =>
        this.transact([name]).then(
          () => true,
          () => null,
        ),
      () => `${name} to serve`,
    );
  }

  async remove(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.close()));
    await this.killServices();
    if (this.leader.running) await this.leader.kill();
    await this.etcd?.dispose();
  }
}

/** On its etcd. */
export const clusterName = 'bench';

export const noEtcd = 'No etcd is here; docs/TESTING.md says how to get one.';

export async function startEtcd(): Promise<TestEtcd> {
  const [programs] = await etcdsToTest();
  if (programs === undefined) throw new Error(noEtcd);
  return TestEtcd.start(programs);
}

/** The compiler takes its time: so many transactions, or as many as come in that time. */
export async function warmUp(
  cluster: { committed: number; transact(): Promise<void> },
  { quick }: { readonly quick: boolean },
): Promise<void> {
  const untilMs = performance.now() + warming.maxMs;
  const enough = cluster.committed + (quick ? warming.quickTransactions : warming.transactions);
  const loop = async (): Promise<void> => {
    while (cluster.committed < enough && performance.now() < untilMs) await cluster.transact();
  };
  await Promise.all(Array.from({ length: warming.inFlight }, loop));
}
