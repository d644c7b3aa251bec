/**
 * Hundreds of services on one node: 300 participants, 1,000 connections, transactions of 2 to 64
 * branches.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, connect, type TransactionOutcome } from '../../src/client.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { manyOf, type Services, someOf, startServices } from '../support/participants/services.ts';
import { eventually } from '../support/process/child.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const participants = Array.from({ length: 300 }, (_, index) => `service-${index}`);
const clientCount = 700;
const connectAtOnce = 50;
const transactions = 120;
const inFlight = 24;

let directory: string;
let node: NodeProcess;
let services: Services;
const clients: Client[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'verdict-services-'));
  node = await NodeProcess.started({
    data: join(directory, 'node'),
    logLevel: 'info',
    options: { ...quickOptions, transactionTimeoutMs: 60_000, prepareTimeoutMs: 0 },
  });
  const port = String(node.port);
  services = await startServices({ directory, port, names: participants, processes: 4 });
  while (clients.length < clientCount) {
    const some = Array.from({ length: connectAtOnce }, () => connect({ urls: [node.url] }));
    clients.push(...(await Promise.all(some)));
  }
}, 120_000);

afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await Promise.all((services?.children ?? []).map((child) => child.kill()));
  if (node?.running === true) await node.kill();
  await rm(directory, { recursive: true, force: true });
});

it('commits each transaction at every one of its participants, or at none', async () => {
  const random = seededRandom(3);
  const asked = Array.from({ length: transactions }, (_, index) => {
    // The widest and the narrowest are among them for certain.
    const branches = index === 0 ? 64 : index === 1 ? 2 : manyOf(2, 64, random);
    const names = someOf(participants, branches, random);
    return { names, refuse: index % 6 === 5 ? names[0] : undefined };
  });
  const ended: { names: readonly string[]; refuse: string | undefined; end: TransactionOutcome }[] =
    [];
  let next = 0;
  const loop = async (): Promise<void> => {
    for (let index = next++; index < asked.length; index = next++) {
      const { names, refuse } = asked[index] as (typeof asked)[number];
      const client = clients[(index * 37) % clients.length] as Client;
      const payload = refuse === undefined ? null : { refuse };
      const branches = names.map((participant) => ({ participant, payload }));
      ended.push({ names, refuse, end: await client.transact({ branches }) });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  expect(ended).toHaveLength(transactions);

  const wrong = async (): Promise<string[]> => {
    const { prepared, committed, rolledBack } = await services.tally();
    return ended.flatMap(({ names, refuse, end }) =>
      names.flatMap((name) => {
        const key = `${end.txid} ${name}`;
        const isCommitted = end.outcome === 'committed';
        if (isCommitted === (refuse !== undefined)) return [`${key} ${end.outcome}`];
        if (committed.has(key) !== isCommitted) return [`${key} committed: ${!isCommitted}`];
        if (isCommitted && !prepared.has(key)) return [`${key} was never prepared`];
        const isLeft = !isCommitted && prepared.has(key) && !rolledBack.has(key);
        return isLeft ? [`${key} is still prepared`] : [];
      }),
    );
  };
  let last: string[] = [];
  await eventually(
    async () => {
      last = await wrong();
      return last.length === 0 ? true : null;
    },
    () => `${last.length} to be right: ${last.slice(0, 5).join('; ')}`,
  );
  // A commit that came twice is one; one too many would be of a transaction that no one asked for.
  const { committed } = await services.tally();
  const wanted = ended.filter(({ end }) => end.outcome === 'committed');
  expect(committed.size).toBe(wanted.reduce((sum, { names }) => sum + names.length, 0));
  expect(node.alarms()).toEqual([]);
}, 120_000);
