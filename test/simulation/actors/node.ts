/**
 * A coordinator node on its machine: the production node over the production log, on a simulated
 * etcd and network.
 */

import { coordinatorOptions } from '../../../src/core/coordinator-options.ts';
import { openEtcdLog } from '../../../src/decision-log/etcd/etcd-log.ts';
import { CoordinatorNode } from '../../../src/node/node.ts';
import { everyone } from '../../../src/ports/access.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import type { SimEtcd } from '../etcd/server.ts';
import type { NodeSettings } from '../options.ts';
import type { Network } from '../world/network.ts';
import type { SimProcess } from '../world/process.ts';
import { type Disk, filesOf } from './durable.ts';
import { Machine, type MachineOptions } from './machine.ts';

export interface NodeOptions extends MachineOptions {
  readonly etcd: SimEtcd;
  readonly network: Network;
  readonly disk: Disk;
  readonly shards: number;
  readonly requestWindowMs: number;
  /** Of each start. */
  readonly settings: (start: number) => NodeSettings;
}

export class NodeMachine extends Machine<NodeOptions> {
  node: CoordinatorNode | null = null;
  /** Why it halted, and must not be started again before an operator has acted. */
  halted: Error | null = null;
  readonly #files = new Map<string, string>();

  get address(): string {
    return `${this.name}:7070`;
  }

  protected override async run(process: SimProcess): Promise<void> {
    const { world, etcd, network, disk } = this.options;
    const { leaseTtlMs, coordinator } = this.options.settings(this.starts);
    const { clock, chance } = process;
    const url = `ws://${this.address}`;
    const options = coordinatorOptions(coordinator);
    const log = await openEtcdLog({
      endpoints: etcd.endpoints,
      connect: (endpoint) => etcd.stub(process, endpoint),
      cluster: 'simulated',
      shards: this.options.shards,
      requestWindowMs: this.options.requestWindowMs,
      leaseTtlMs,
      node: this.name,
      url,
      stateDirectory: '/state',
      files: filesOf(process, this.#files, disk),
      clock,
      random: chance,
      onFatal: (error) => {
        if (!process.alive) return;
        this.halted = error;
        process.kill('ended');
      },
    });
    const node = new CoordinatorNode({
      node: this.name,
      advertise: url,
      version: '0.0.0',
      log,
      acceptor: network.acceptor(process, { address: this.address, ...options }),
      dialer: network.dialer(process),
      clock,
      random: chance,
      logger: silentLogger,
      debug: false,
      options,
      access: everyone,
      reached: (point) => this.passes(process, point),
      onFatal: (error) => {
        if (process.alive) world.broken(error as Error);
      },
    });
    if (process.alive) this.node = node;
    await node.start();
  }

  /** A planned stop; it is started again like after any other end. */
  async stop(): Promise<void> {
    const { process, node } = this;
    await node?.stop();
    if (process?.alive) process.kill('ended');
  }

  protected override fell(process: SimProcess, options: { readonly tells: boolean }): void {
    this.node = null;
    this.options.network.died(process, options);
  }
}
