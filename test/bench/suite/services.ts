/** 300 participants, 1,000 connections, transactions of 2 to 64 branches. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Client, connect } from '../../../src/client.ts';
import { manyOf, someOf, startServices } from '../../support/participants/services.ts';
import { Child } from '../../support/process/child.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';
import { closedLoop, type Measured, median, medians } from '../load.ts';
import type { Findings, Section, SectionGiven } from './section.ts';

const participants = 300;
const connections = 1_000;
const connectAtOnce = 50;

const inFlight = 32;
const branchesLeast = 2;
const branchesMost = 64;
const warmUpMs = 1_000;

export const services: Section = {
  name: 'services',
  title: 'Hundreds of services',
  about:
    '300 participants in four processes and 700 clients, a connection each, on one node with the ' +
    'embedded log. Transactions of 2 to 64 branches over participants drawn at random, small ones ' +
    'more often, 32 in flight.',
  run: async (given) => findings(await manyServices(given)),
};

interface ServicesResult extends Measured {
  readonly branchesPerSecond: number;
}

function findings(rounds: readonly ServicesResult[]): Findings {
  const { perSecond, p50Ms, p99Ms, p999Ms } = medians(rounds);
  const branchesPerSecond = median(rounds.map((round) => round.branchesPerSecond));
  return {
    tables: [
      {
        title: `${participants} participants, ${connections.toLocaleString('en')} connections`,
        columns: ['tx/s', 'branches/s', 'p50 ms', 'p99 ms', 'p99.9 ms'],
        rows: [[perSecond, branchesPerSecond, p50Ms, p99Ms, p999Ms]],
      },
    ],
    charts: [],
    targets: [],
  };
}

async function manyServices({
  directory,
  durationMs,
  rounds,
  progress,
}: SectionGiven): Promise<readonly ServicesResult[]> {
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
    const sizes: number[] = [];
    const one = async (): Promise<void> => {
      turn += 1;
      const client = clients[turn % clients.length] as Client;
      const chosen = someOf(names, manyOf(branchesLeast, branchesMost, random), random);
      const branches = chosen.map((participant) => ({ participant }));
      const outcome = await client.transact({ branches });
      if (outcome.outcome !== 'committed') throw new Error(`aborted: ${outcome.reason.message}`);
      sizes.push(chosen.length);
    };
    const measured: ServicesResult[] = [];
    for (let round = 1; round <= rounds; round += 1) {
      progress(`round ${round} of ${rounds}`);
      sizes.length = 0;
      const figures = await closedLoop({ inFlight, durationMs, warmUpMs, one });
      const meanBranches = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
      measured.push({ ...figures, branchesPerSecond: figures.perSecond * meanBranches });
    }
    return measured;
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(children.map((child) => child.kill()));
  }
}
