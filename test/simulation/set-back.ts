/**
 * Etcd is lost, and brought back from a copy of a while ago. Nodes that notice halt; then an operator stops them all - but one
 * that is paused, and that he overlooks, at times -, raises the generation, and starts them again.
 */
import { openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import type { SimEtcd } from './etcd/server.ts';
import type { Cluster } from './injector.ts';
import type { Chance } from './world/chance.ts';
import { SimProcess } from './world/process.ts';

export class SetBack {
  /** From the restore until the nodes are started again: they are the operator's. */
  operating = false;
  /** Once in a run is enough. */
  #begun = false;

  begin(cluster: Cluster, chance: Chance): void {
    const { etcd, world } = cluster;
    // Nothing is there yet that could be brought back.
    if (this.#begun || etcd.state.get('/verdict/simulated/meta') === null) return;
    this.#begun = true;
    const copy = etcd.snapshot();
    world.after(chance.logarithmic(20, 3_000), () => {
      etcd.restore(copy);
      this.operating = true;
      etcd.down = true;
      world.after(chance.logarithmic(10, 1_000), () => {
        etcd.down = false;
      });
      world.after(chance.logarithmic(10, 4_000), () => this.#operate(cluster, chance));
    });
  }

  #operate({ etcd, nodes, network, world }: Cluster, chance: Chance): void {
    const overlooks = chance.happens(0.5);
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
