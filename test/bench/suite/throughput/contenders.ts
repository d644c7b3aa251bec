/**
 * Who is measured on a store: Verdict, its skeleton, and on etcd the plain base lines. Each has its
 * node and its participants in processes of their own; all clients are in this process. On etcd
 * they share one, and each works through the member that leads it.
 */
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import type { EtcdPrograms } from '../../../../cluster/etcd/find.ts';
import { connect } from '../../../../src/client.ts';
import { etcdsToTest, etcdVersion, TestEtcd } from '../../../support/etcd/etcd.ts';
import { NodeProcess } from '../../../support/nodes/node-process.ts';
import { Child, eventually } from '../../../support/process/child.ts';
import { refused } from '../../load.ts';
import { noEtcd } from '../../rig/bench-cluster.ts';
import { SkeletonCluster } from '../../rig/skeleton-cluster.ts';
import type { SkeletonLogKind } from '../../skeleton/logs.ts';

export const stores = ['embedded log', 'one etcd', 'three etcd members'] as const;
export type Store = (typeof stores)[number];

export interface Contender {
  readonly name: string;
  /** Neither Verdict nor its skeleton. */
  readonly isBaseLine: boolean;
  /** One transaction over so many participants, or one put. */
  one(branches: number): Promise<void>;
}

export const verdictName = 'Verdict';
export const skeletonName = 'skeleton';
export const plainName = 'plain 2PC';
export const putsName = 'single puts';

/** For people: with the version that was measured. */
export async function shownStore(store: Store): Promise<string> {
  return store === 'embedded log' ? store : `${store}, ${etcdVersion(await etcdPrograms())}`;
}

const payload = { amount: 1, key: 'abc' } as const;
const valueBytes = 200;
/** Each is written again and again: etcd is not to grow by new keys. */
const putKeys = 10_000;
const quotaBytes = 8 * 2 ** 30;

export async function etcdPrograms(): Promise<EtcdPrograms> {
  const [programs] = await etcdsToTest();
  if (programs === undefined) throw new Error(noEtcd);
  return programs;
}

export class Contenders implements AsyncDisposable {
  readonly all: Contender[] = [];
  readonly #endings: (() => unknown)[] = [];
  readonly #directory: string;
  readonly #names: readonly string[];

  private constructor(directory: string, names: readonly string[]) {
    this.#directory = directory;
    this.#names = names;
  }

  static async started(given: {
    readonly store: Store;
    readonly directory: string;
    readonly participants: number;
  }): Promise<Contenders> {
    const { store, directory, participants } = given;
    const names = Array.from({ length: participants }, (_, index) => `p${index}`);
    const contenders = new Contenders(directory, names);
    try {
      await contenders.#start(store);
      return contenders;
    } catch (error) {
      await contenders[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#endings.splice(0).reverse()) await end();
  }

  async #start(store: Store): Promise<void> {
    if (store === 'embedded log') {
      await this.#addVerdict(null);
      await this.#addSkeleton(skeletonName, 'embedded', join(this.#directory, 'skeleton-log'));
      return;
    }
    const address = await this.#startEtcd(store === 'one etcd' ? 1 : 3);
    await this.#addVerdict(address);
    await this.#addSkeleton(skeletonName, 'etcd', address);
    await this.#addSkeleton(plainName, 'every-change', address);
    this.#addPuts(address);
  }

  /** The address of the member that leads. */
  async #startEtcd(members: 1 | 3): Promise<string> {
    const etcd = await TestEtcd.start(await etcdPrograms(), { members, quotaBytes });
    this.#endings.push(() => etcd.dispose());
    return eventually(
      async () => {
        for (const member of etcd.members) if (await member.leads()) return member.endpoint;
        return null;
      },
      () => 'a leader of etcd',
    );
  }

  async #addVerdict(etcd: string | null): Promise<void> {
    const node = await NodeProcess.make({
      data: join(this.#directory, 'node'),
      logLevel: 'info',
      ...(etcd === null ? {} : { etcd: { endpoints: [etcd], cluster: 'bench' } }),
    });
    this.#endings.push(() => (node.running ? node.kill() : null));
    if (!(await node.start())) throw new Error(`The node did not start:\n${node.output()}`);
    const services = new Child('test/bench/participants.ts', {
      args: [this.#participantsOf(verdictName), String(node.port), ...this.#names],
    });
    this.#endings.push(() => services.kill());
    if ((await services.line(/^ready$/)) === null) throw new Error(services.lines.join('\n'));
    const client = await connect({ urls: [node.url] });
    this.#endings.push(() => client.close());
    const branches = this.#names.map((participant) => ({ participant, payload }));
    this.all.push({
      name: verdictName,
      isBaseLine: false,
      one: async (count) => {
        const outcome = await client.transact({ branches: branches.slice(0, count) });
        if (outcome.outcome === 'committed') return;
        throw refused(outcome.reason);
      },
    });
  }

  async #addSkeleton(name: string, log: SkeletonLogKind, place: string): Promise<void> {
    const cluster = await SkeletonCluster.started({
      log,
      place,
      directory: this.#participantsOf(name),
      participants: this.#names,
    });
    this.#endings.push(() => cluster.remove());
    const isBaseLine = log === 'every-change';
    this.all.push({ name, isBaseLine, one: (count) => cluster.transact(count) });
  }

  #participantsOf(name: string): string {
    return join(this.#directory, `${name.replaceAll(' ', '-')}-participants`);
  }

  #addPuts(address: string): void {
    const etcd = new Etcd3({ hosts: [address] });
    this.#endings.push(() => etcd.close());
    const value = Buffer.alloc(valueBytes, 'x');
    let turn = 0;
    this.all.push({
      name: putsName,
      isBaseLine: true,
      one: async () => {
        turn += 1;
        await etcd.kv.put({ key: Buffer.from(`/bench/${turn % putKeys}`), value });
      },
    });
  }
}
