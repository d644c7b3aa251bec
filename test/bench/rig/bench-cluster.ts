/**
 * What the sections measure: one node as `verdict serve` runs it, on its own store or on one etcd,
 * participants that hold nothing of their own, and clients in this process.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, connect } from '../../../src/client.ts';
import type { CoordinatorOptions } from '../../../src/core/coordinator-options.ts';
import { embeddedLogFile } from '../../../src/decision-log/embedded/log.ts';
import { journalFile } from '../../../src/journal/lmdb/journal.ts';
import { etcdsToTest, TestEtcd } from '../../support/etcd/etcd.ts';
import { NodeProcess } from '../../support/nodes/node-process.ts';
import { Child, eventually } from '../../support/process/child.ts';

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
  /** A command that runs the rest of its line as one, for a process of that name. */
  readonly through?: (process: string) => readonly string[];
}

const connectAtOnce = 50;
export const payload = { amount: 1, key: 'abc' } as const;
const probe = new URL('./probe.ts', import.meta.url).href;

/** Runs a process under the probe. */
export const probed: readonly string[] = ['env', `NODE_OPTIONS=--expose-gc --import ${probe}`];

export class BenchCluster {
  readonly names: readonly string[];
  readonly services: Child[] = [];
  readonly clients: Client[] = [];
  readonly etcd: TestEtcd | null;
  readonly leader: NodeProcess;
  readonly journalPaths: string[] = [];
  /** Transactions so far. */
  committed = 0;
  #turn = 0;

  private constructor(given: {
    readonly names: readonly string[];
    readonly etcd: TestEtcd | null;
    readonly leader: NodeProcess;
  }) {
    this.names = given.names;
    this.etcd = given.etcd;
    this.leader = given.leader;
  }

  static async started(settings: BenchClusterSettings): Promise<BenchCluster> {
    const { log, directory, participants: names = ['a', 'b', 'c'] } = settings;
    await mkdir(directory, { recursive: true });
    const etcd = log === 'one etcd' ? await startEtcd() : null;
    try {
      const leader = await NodeProcess.make({
        data: join(directory, 'node'),
        logLevel: 'info',
        through: settings.through?.('leader') ?? [],
        ...(settings.options === undefined ? {} : { options: settings.options }),
        ...(etcd === null ? {} : { etcd: { endpoints: etcd.endpoints, cluster: clusterName } }),
      });
      const cluster = new BenchCluster({ names, etcd, leader });
      try {
        await cluster.#start(settings);
        return cluster;
      } catch (error) {
        await cluster.remove();
        throw error;
      }
    } catch (error) {
      await etcd?.dispose();
      throw error;
    }
  }

  async #start(settings: BenchClusterSettings): Promise<void> {
    const { directory, processes = 1, clients = 1 } = settings;
    if (!(await this.leader.start())) throw new Error(this.leader.output());
    const size = Math.ceil(this.names.length / processes);
    for (let at = 0; at < this.names.length; at += size) {
      const names = this.names.slice(at, at + size);
      const args = [join(directory, `services-${at}`), String(this.leader.port), ...names];
      const through = settings.through?.('participants') ?? [];
      const [data = ''] = args;
      this.journalPaths.push(...names.map((name) => join(data, name, journalFile)));
      this.services.push(new Child('test/bench/participants.ts', { args, through }));
    }
    for (const child of this.services) {
      if ((await child.line(/^ready$/)) === null) throw new Error(child.lines.join('\n'));
    }
    await this.connect(clients);
    for (const name of this.names) await this.#serves(name);
  }

  /** Of the embedded log. */
  get logPath(): string {
    return join(this.leader.settings.data, embeddedLogFile);
  }

  /** So many clients more. */
  async connect(count: number): Promise<void> {
    for (let left = count; left > 0; left -= connectAtOnce) {
      const some = Array.from({ length: Math.min(left, connectAtOnce) }, () =>
        connect({ urls: [this.leader.url], timeoutMs: 30_000 }),
      );
      this.clients.push(...(await Promise.all(some)));
    }
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
    if (outcome.outcome !== 'committed') throw new Error(`aborted: ${outcome.reason.message}`);
    this.committed += 1;
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
    await Promise.all(this.services.map((child) => child.kill()));
    if (this.leader.running) await this.leader.kill();
    await this.etcd?.dispose();
  }
}

/** On its etcd. */
export const clusterName = 'bench';

export async function startEtcd(): Promise<TestEtcd> {
  const [programs] = await etcdsToTest();
  if (programs === undefined)
    throw new Error('No etcd is here; docs/TESTING.md says how to get one.');
  return TestEtcd.start(programs);
}
