/** A cluster of three nodes with all that a console can show: load, waits, and what is stuck. */
import { type Client, connect } from '../../../src/client.ts';
import type { SteadyLoad } from '../clients/steady-load.ts';
import { etcdsToTest, TestEtcd } from '../etcd/etcd.ts';
import { EtcdCluster } from '../nodes/etcd-cluster.ts';
import { eventually } from '../process/child.ts';

/** Names as they must never be let loose in a page: markup, a turned direction, ends of lines. */
export const hostileLabel = '<img src=x onerror=alert(1)>\u202Egnp.\nsecond line';

export class ConsoleRig {
  readonly cluster: EtcdCluster;
  readonly #etcd: TestEtcd;
  readonly #clients: Client[] = [];
  readonly load: SteadyLoad;

  private constructor(etcd: TestEtcd, cluster: EtcdCluster, load: SteadyLoad) {
    this.#etcd = etcd;
    this.cluster = cluster;
    this.load = load;
  }

  static async started(): Promise<ConsoleRig> {
    const [programs] = await etcdsToTest();
    if (programs === undefined) throw new Error('There is no etcd.');
    const etcd = await TestEtcd.start(programs);
    try {
      const cluster = await EtcdCluster.started({
        etcd,
        shards: 3,
        // Of a page with a token there is a test of its own.
        secured: 'never',
        participants: ['inventory', 'payment', 'shipping', 'ledger'],
        options: { attentionAfter: 2, ackTimeoutMs: 300, transactionTimeoutMs: 60_000 },
      });
      const participants = ['inventory', 'payment', 'shipping'];
      const load = await cluster.load({ participants, loops: 4, pauseMs: 15 });
      return new ConsoleRig(etcd, cluster, load);
    } catch (error) {
      await etcd.dispose();
      throw error;
    }
  }

  /** Of a node, as `host:port`. */
  addressOf(name: string): string {
    return `127.0.0.1:${this.cluster.node(name).port}`;
  }

  /** A node that its page is opened at. */
  get follower(): string {
    return this.addressOf('n2');
  }

  async client(): Promise<Client> {
    const client = await connect({ urls: [...this.cluster.urls], name: 'shop' });
    this.#clients.push(client);
    return client;
  }

  /** One that is decided and not carried out by its participant; and some that wait for it. */
  async stuck(): Promise<string> {
    const client = await this.client();
    const ledger = this.cluster.participant('ledger');
    await ledger.kill();
    // It votes, and is gone as it is told to commit.
    await ledger.start({ crashAt: 'before-commit-applied' });
    await ledger.connected();
    const begun = await client.begin({
      labels: { order: '4711', note: hostileLabel },
      lockGroup: 'stock',
    });
    await begun.lock(['sku-1', 'sku-2']);
    await begun.enlist({ participant: 'inventory', payload: { delayMs: 40 } });
    await begun.enlist({ participant: 'ledger', payload: { delayMs: 120 } });
    const committing = begun.commit().catch(() => undefined);
    const isDecided = async (): Promise<true | null> => {
      const { state } = await client.status(begun.txid);
      return state === 'COMMITTING' || state === 'COMMITTED' ? true : null;
    };
    await eventually(isDecided, () => 'a decision');
    void committing;
    for (const keys of [['sku-1'], ['sku-2'], ['sku-1', 'sku-2']]) {
      const waiter = await client.begin({ lockGroup: 'stock', labels: { order: keys.join('+') } });
      void waiter.lock(keys, { waitMs: 50_000 }).catch(() => undefined);
    }
    return begun.txid;
  }

  async stop(): Promise<void> {
    await this.load.stop();
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.cluster.remove();
    await this.#etcd.dispose();
  }
}
