/**
 * The coordinator of the demo: one node on the embedded log, which can be killed and started again.
 */

import { fileURLToPath } from 'node:url';
import { freePort } from '../launcher/free-ports.ts';
import { nodeIsReady } from '../launcher/probe.ts';
import type { Processes } from '../launcher/processes.ts';
import { Service } from '../launcher/service.ts';
import type { Coordinator } from './coordinator.ts';
import { readNodeLog } from './internals/node-log.ts';
import type { Layout } from './layout.ts';

const verdict: string = fileURLToPath(new URL('../../bin/verdict.mjs', import.meta.url));

export interface CoordinatorOptions {
  readonly processes: Processes;
  readonly layout: Layout;
  readonly signal: AbortSignal;
}

export async function startSingleNode(options: CoordinatorOptions): Promise<Coordinator> {
  const { layout, processes, signal } = options;
  const address = `127.0.0.1:${await freePort()}`;
  const node = new Service({
    processes,
    start: {
      name: 'coordinator node',
      args: [
        ...[verdict, 'serve', '--data', layout.decisionLog, '--listen', address],
        ...['--node', 'demo', '--log-format', 'json', '--log-level', 'info'],
      ],
      logFile: layout.nodeLog,
    },
    isReady: () => nodeIsReady(address),
  });
  await node.start(signal);
  return {
    urls: [address],
    certificates: null,
    failed: node.failed,
    killLeader: async (killSignal) => {
      const killedAtMs = await node.kill();
      const readyMs = node.start(killSignal).then(() => performance.now() - killedAtMs);
      return { node: 'the node', killedAtMs, epoch: null, readyMs };
    },
    readLog: () => readNodeLog(layout.decisionLog),
    stop: (timeoutMs) => node.stop(timeoutMs),
  };
}
