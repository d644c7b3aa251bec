/** What a node has of a simulated etcd: its log, and the driver of the shard that it leads. */
import { ShardDriver } from '../../../src/coordinator/shard-driver.ts';
import {
  type CoordinatorOptions,
  coordinatorOptions,
} from '../../../src/core/coordinator-options.ts';
import type { FromNode } from '../../../src/core/messages.ts';
import type { EtcdStub } from '../../../src/decision-log/etcd/client.ts';
import { openEtcdLog } from '../../../src/decision-log/etcd/etcd-log.ts';
import type { DecisionLog, Leadership } from '../../../src/ports/decision-log.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { filesOf } from '../../simulation/actors/durable.ts';
import type { SimProcess } from '../../simulation/world/process.ts';
import { never } from '../logs/stores.ts';
import type { SimulatedEtcd } from './simulated-etcd.ts';

export function openSimulatedLog(
  etcd: SimulatedEtcd,
  process: SimProcess,
  leaseTtlMs: number,
  through: (stub: EtcdStub) => EtcdStub = (stub) => stub,
): Promise<DecisionLog> {
  return etcd.during(() =>
    openEtcdLog({
      endpoints: etcd.server.endpoints,
      connect: (endpoint) => through(etcd.server.stub(process, endpoint)),
      cluster: 'simulated',
      shards: 1,
      leaseTtlMs,
      node: process.name,
      url: `ws://${process.name}`,
      stateDirectory: '/state',
      files: filesOf(process, new Map(), { flushMs: () => 0.1 }),
      clock: process.clock,
      random: process.chance,
      onFatal: (error) => etcd.world.broken(error),
    }),
  );
}

export interface SimulatedLeader {
  readonly process: SimProcess;
  readonly log: DecisionLog;
  readonly leadership: Leadership;
  readonly driver: ShardDriver;
  /** To every connection, in order. */
  readonly sent: FromNode[];
}

export async function simulatedLeader(
  etcd: SimulatedEtcd,
  node: string,
  { leaseTtlMs, ...options }: { readonly leaseTtlMs: number } & Partial<CoordinatorOptions>,
): Promise<SimulatedLeader> {
  const process = etcd.process(node);
  const log = await openSimulatedLog(etcd, process, leaseTtlMs);
  const leadership = await etcd.during(() => log.campaign(0, { signal: never }));
  const sent: FromNode[] = [];
  const { shard, epoch } = leadership;
  const driver = new ShardDriver({
    log,
    leadership,
    leader: { shard, epoch, node, url: `ws://${node}` },
    clock: process.clock,
    random: process.chance,
    options: coordinatorOptions(options),
    logger: silentLogger,
    debug: false,
    reached: () => undefined,
    send: (_connection, message) => sent.push(message),
    onBroken: (error) => etcd.world.broken(error as Error),
  });
  await etcd.during(() => driver.start());
  return { process, log, leadership, driver, sent };
}
