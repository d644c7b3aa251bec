/** The skeleton at work: its node, its participants in one process, and a client in this one. */
import { Child } from '../../support/process/child.ts';
import { SkeletonClient } from '../skeleton/client.ts';
import type { SkeletonLogKind } from '../skeleton/logs.ts';

const payload = { amount: 1, key: 'abc' } as const;

export interface SkeletonClusterSettings {
  readonly log: SkeletonLogKind;
  /** A folder for `embedded`, the address of an etcd for the others. */
  readonly place: string;
  /** For its participants; removed by its maker. */
  readonly directory: string;
  readonly participants: readonly string[];
  /** As `BenchCluster`'s. */
  readonly through?: (process: 'leader' | 'participants') => readonly string[];
}

export class SkeletonCluster {
  committed = 0;
  #leader: Child | null = null;
  #services: Child | null = null;
  #client: SkeletonClient | null = null;
  readonly #settings: SkeletonClusterSettings;

  private constructor(settings: SkeletonClusterSettings) {
    this.#settings = settings;
  }

  static async started(settings: SkeletonClusterSettings): Promise<SkeletonCluster> {
    const cluster = new SkeletonCluster(settings);
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      await cluster.remove();
      throw error;
    }
  }

  async #start(): Promise<void> {
    const { log, place, directory, participants, through } = this.#settings;
    const leader = new Child('test/bench/skeleton/node.ts', {
      args: [log, place],
      through: through?.('leader') ?? [],
    });
    this.#leader = leader;
    const port = await leader.line(/^\d+$/);
    if (port === null) throw new Error(`The skeleton did not start:\n${leader.lines.join('\n')}`);
    const services = new Child('test/bench/skeleton/participants.ts', {
      args: [directory, port, ...participants],
      through: through?.('participants') ?? [],
    });
    this.#services = services;
    if ((await services.line(/^ready$/)) === null) throw new Error(services.lines.join('\n'));
    this.#client = await SkeletonClient.connected(port);
  }

  get leader(): Child {
    if (this.#leader === null) throw new Error('The skeleton was not started.');
    return this.#leader;
  }

  get services(): Child {
    if (this.#services === null) throw new Error('The skeleton was not started.');
    return this.#services;
  }

  /** One transaction over so many of its participants (default: all). */
  async transact(count: number = this.#settings.participants.length): Promise<void> {
    if (this.#client === null) throw new Error('The skeleton was not started.');
    const chosen = this.#settings.participants.slice(0, count);
    await this.#client.transact(chosen.map((participant) => ({ participant, payload })));
    this.committed += 1;
  }

  async remove(): Promise<void> {
    this.#client?.close();
    await this.#services?.kill();
    await this.#leader?.kill();
  }
}
