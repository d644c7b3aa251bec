/**
 * Every implementation of the decision log behind one fixture, for suites that run on all of them.
 */
import { openEmbeddedLog } from '../../../src/decision-log/embedded/log.ts';
import { openEtcdLog } from '../../../src/decision-log/etcd/etcd-log.ts';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import type { DecisionLog, Leadership } from '../../../src/ports/decision-log.ts';
import { filesOf } from '../../simulation/actors/durable.ts';
import { EtcdRig } from '../etcd/etcd-rig.ts';
import { SimulatedEtcd } from '../etcd/simulated-etcd.ts';
import { never, realClock, temporaryDirectory } from './stores.ts';

export interface DecisionLogFixture {
  /**
   * Opens a node's log on the fixture's store. Where the store has one owner, the one before is
   * closed first.
   */
  open(node: string): Promise<DecisionLog>;
  /**
   * Begins a second leadership of the shard while `old`, of that log, does not know: its process
   * was paused.
   */
  usurp(log: DecisionLog, shard: number): Promise<Leadership>;
  /** Closes what is open and removes everything. */
  dispose(): Promise<void>;
}

export async function memoryFixture(): Promise<DecisionLogFixture> {
  const store = new MemoryLogStore();
  const open = (node: string, takeover: boolean) =>
    openMemoryLog({ store, node, url: `ws://${node}`, takeover, clock: realClock });
  return {
    open: async (node) => open(node, false),
    usurp: (_log, shard) => open('usurper', true).campaign(shard, { signal: never }),
    dispose: async () => undefined,
  };
}

export async function embeddedFixture(): Promise<DecisionLogFixture> {
  const directory = temporaryDirectory();
  let log: DecisionLog | null = null;
  return {
    open: async (node) => {
      await log?.close();
      log = await openEmbeddedLog({
        directory: directory.path,
        node,
        url: `ws://${node}`,
        clock: realClock,
        onFatal: (error): never => {
          throw error;
        },
      });
      return log;
    },
    usurp: (own, shard) => own.campaign(shard, { signal: never }),
    dispose: async () => {
      await log?.close();
      directory.remove();
    },
  };
}

export async function etcdFixture(endpoints: readonly string[]): Promise<DecisionLogFixture> {
  const rig = new EtcdRig(endpoints);
  return {
    open: (node) => rig.open(node),
    usurp: (log, shard) => rig.usurp(log, shard),
    dispose: () => rig.dispose(),
  };
}

/** The same log over the etcd of the simulation. */
export async function simulatedFixture(): Promise<DecisionLogFixture> {
  const etcd = new SimulatedEtcd({ goesOnUnasked: true });
  const logs: DecisionLog[] = [];
  const disks = new Map<string, Map<string, string>>();
  const open = async (node: string): Promise<DecisionLog> => {
    const process = etcd.process(node);
    const files = disks.get(node) ?? new Map<string, string>();
    disks.set(node, files);
    const opening = () =>
      openEtcdLog({
        endpoints: etcd.server.endpoints,
        connect: (endpoint) => etcd.server.stub(process, endpoint),
        cluster: 'simulated',
        node,
        url: `ws://${node}`,
        stateDirectory: '/state',
        files: filesOf(process, files, { flushMs: () => 0.1 }),
        clock: process.clock,
        random: process.chance,
        onFatal: (error) => etcd.world.broken(error),
      });
    const log = etcd.awaited(await etcd.during(opening));
    logs.push(log);
    return log;
  };
  return {
    open,
    usurp: async (log, shard) => {
      const usurper = await open('usurper');
      const leader = log.leaders()[shard];
      if (leader) usurper.leaderGone(leader);
      return usurper.campaign(shard, { signal: never });
    },
    dispose: async () => {
      await Promise.all(logs.map((log) => log.close()));
      etcd.close();
    },
  };
}
