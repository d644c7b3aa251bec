/**
 * Etcd is lost, and brought back from a copy of a while ago. Nodes that notice halt; then an
 * operator stops them all - but one that is paused, and that he overlooks, at times -, raises the
 * generation, and starts them again.
 */
import { openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import { decodeLeader } from '../../src/decision-log/etcd/records.ts';
import type { EtcdCopy, SimEtcd } from './etcd/server.ts';
import type { Cluster } from './injector.ts';
import type { Chance } from './world/chance.ts';
import { SimProcess } from './world/process.ts';

/** Of the first shard. */
const leaderKey = '/verdict/simulated/shards/0/leader';

export class SetBack {
  /** From the restore until the nodes are started again: they are the operator's. */
  operating = false;
  /** Once in a run is enough. */
  #begun = false;
  readonly #raised: (cluster: Cluster) => void;

  constructor(options: {
    /** The nodes are being started again. */
    readonly raised: (cluster: Cluster) => void;
  }) {
    this.#raised = options.raised;
  }

  begin(cluster: Cluster, chance: Chance): void {
    const { etcd, world } = cluster;
    // Nothing is there yet that could be brought back.
    if (this.#begun || etcd.state.get('/verdict/simulated/meta') === null) return;
    this.#begun = true;
    const copy = etcd.snapshot();
    world.after(chance.logarithmic(20, 3_000), () => {
      this.#restore(cluster, copy, chance.logarithmic(10, 1_000));
      world.after(chance.logarithmic(10, 4_000), () =>
        this.#operate(cluster, chance, chance.happens(0.5)),
      );
    });
  }

  /**
   * A backup, a rolling restart, and something goes wrong behind it: the copy is a few writes older
   * than a leadership. That leader stands still with votes on their way to it while etcd is brought
   * back, and another takes the shard, perhaps under the same revision. It goes on before its lease
   * is over.
   */
  beginAtTakeover(cluster: Cluster, chance: Chance): void {
    const { etcd, nodes, participants, world } = cluster;
    if (this.#begun || nodes.length < 2) return;
    const leads = (): string | null => {
      const stored = etcd.state.get(leaderKey);
      return stored === null ? null : decodeLeader(stored.value).node;
    };
    const before = leads();
    if (before === null) return;
    this.#begun = true;
    const copies: EtcdCopy[] = [];
    const writes = chance.whole(1, 6);
    etcd.watched = (changes) => {
      const taken = changes.some(({ key, after }) => key === leaderKey && after !== null);
      if (!taken || copies.length < writes) {
        copies.push(etcd.snapshot());
        return;
      }
      etcd.watched = null;
      const copy = copies.at(-writes);
      const leader = nodes.find(({ name }) => name === leads());
      if (copy === undefined || leader === undefined) return;
      const stands = (): void => {
        for (const one of participants) if (one.atNextVote === stands) one.atNextVote = null;
        const process = leader.process;
        if (process?.alive !== true || process.paused || leads() !== leader.name) return;
        process.pause();
        world.after(chance.between(200, 2_000), () => process.resume());
        world.after(chance.logarithmic(1, 30), () => {
          this.#restore(cluster, copy, chance.logarithmic(1, 100));
          world.after(chance.logarithmic(1, 200), () => this.#operate(cluster, chance, true));
        });
      };
      for (const one of participants) one.atNextVote ??= stands;
    };
    const old = nodes.find(({ name }) => name === before);
    if (chance.happens(0.5)) void old?.stop();
    else old?.process?.kill();
  }

  /**
   * Etcd loses its last few writes, and no one is there: supervisors start the nodes that halt, the
   * leases run out, and etcd grows above what every node knew.
   */
  beginUnattended(cluster: Cluster, chance: Chance): void {
    const { etcd, world } = cluster;
    if (this.#begun || etcd.state.get('/verdict/simulated/meta') === null) return;
    this.#begun = true;
    const copy = etcd.snapshot();
    let writes = chance.whole(1, 6);
    etcd.watched = () => {
      writes -= 1;
      if (writes > 0) return;
      etcd.watched = null;
      world.after(chance.logarithmic(1, 300), () => {
        this.#restore(cluster, copy, chance.logarithmic(1, 100));
        world.after(chance.between(4_000, 15_000), () => this.#operate(cluster, chance, false));
      });
    };
  }

  #restore({ etcd, world }: Cluster, copy: EtcdCopy, downMs: number): void {
    etcd.restore(copy);
    this.operating = true;
    etcd.down = true;
    world.after(downMs, () => {
      etcd.down = false;
    });
  }

  /** `overlooks`: a node that is paused is none that he sees. */
  #operate(cluster: Cluster, chance: Chance, overlooks: boolean): void {
    const { etcd, nodes, network, world } = cluster;
    for (const node of nodes) {
      if (overlooks && node.process?.paused === true) continue;
      node.retired = true;
      node.process?.kill();
    }
    const operator = new SimProcess({ world, name: 'op', chance, died: () => undefined });
    void raiseGeneration(etcd, operator).then(() => {
      world.note('op', 'has raised the generation');
      this.operating = false;
      for (const node of nodes) {
        if (!node.retired) continue;
        node.retired = false;
        node.start();
      }
      network.reconsider();
      this.#raised(cluster);
    });
  }
}

async function raiseGeneration(etcd: SimEtcd, operator: SimProcess): Promise<void> {
  const { clock, chance: random } = operator;
  for (;;) {
    try {
      const reader = await openEtcdReader({
        endpoints: etcd.endpoints,
        connect: (endpoint) => etcd.stub(operator, endpoint),
        cluster: 'simulated',
        clock,
        random,
      });
      await reader.raiseGeneration();
      return;
    } catch {
      await new Promise<void>((resolve) => clock.setTimer(200, resolve));
    }
  }
}
