/** 300 participants, 1,000 connections, transactions of 2 to 64 branches. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, connect } from '../../src/client.ts';
import { manyOf, someOf, startServices } from '../support/participants/services.ts';
import { Child } from '../support/process/child.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { closedLoop, type Measured } from './load.ts';

const participants = 300;
const connections = 1_000;
const connectAtOnce = 50;

export interface ServicesResult extends Measured {
  readonly branchesPerSecond: number;
}

export async function manyServices(given: {
  readonly directory: string;
  readonly durationMs: number;
  readonly inFlight: number;
  readonly progress: (text: string) => void;
}): Promise<ServicesResult> {
  const { directory, durationMs, inFlight, progress } = given;
  await mkdir(directory, { recursive: true });
  const node = new Child('test/bench/node.ts', { args: [join(directory, 'node')] });
  const children: Child[] = [node];
  const clients: Client[] = [];
  try {
    const port = (await node.line(/^\d+$/)) ?? '';
    const names = Array.from({ length: participants }, (_, index) => `p${index}`);
    progress(`${participants} participants start`);
    const services = await startServices({ directory, port, names, processes: 4 });
    children.push(...services.children);
    while (clients.length < connections - participants) {
      const some = Array.from({ length: connectAtOnce }, () =>
        connect({ urls: [`127.0.0.1:${port}`] }),
      );
      clients.push(...(await Promise.all(some)));
    }
    const random = seededRandom(11);
    let turn = 0;
    let branchCount = 0;
    const one = async (): Promise<void> => {
      turn += 1;
      const client = clients[turn % clients.length] as Client;
      const chosen = someOf(names, manyOf(2, 64, random), random);
      const branches = chosen.map((participant) => ({ participant }));
      const outcome = await client.transact({ branches });
      if (outcome.outcome !== 'committed') throw new Error(`aborted: ${outcome.reason.message}`);
      branchCount += chosen.length;
    };
    progress('300 participants: warming up');
    await closedLoop({ inFlight, durationMs: 1_000, one });
    progress('300 participants: measuring');
    branchCount = 0;
    const measured = await closedLoop({ inFlight, durationMs, one });
    const branchesPerSecond = (branchCount / measured.count) * measured.perSecond;
    return { ...measured, branchesPerSecond };
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(children.map((child) => child.kill()));
  }
}
