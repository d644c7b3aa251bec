/** A NestJS application with participants of its own, over HTTP, with a node in another process. */
import 'reflect-metadata';
import { join } from 'node:path';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../../src/client.ts';
import { participantHandle, VerdictHealthIndicator } from '../../../src/nestjs.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { NodeProcess, quickOptions } from '../../support/nodes/node-process.ts';
import { platforms } from './platforms.ts';
import {
  Events,
  Inventory,
  inventory,
  Orders,
  Payment,
  ShopController,
  ShopModule,
  Stock,
} from './shop.ts';

const directory = temporaryDirectory();
let node: NodeProcess;
const applications: INestApplication[] = [];

beforeAll(async () => {
  node = await NodeProcess.started({ data: join(directory.path, 'node'), options: quickOptions });
});
afterEach(async () => {
  for (const application of applications.splice(0)) await application.close();
});
afterAll(async () => {
  await node.stop();
  directory.remove();
});

describe.each(platforms)('on $platform', ({ platform, adapter }) => {
  async function shop(data: string, more: Partial<Parameters<typeof ShopModule.with>[0]> = {}) {
    const module = await Test.createTestingModule({
      imports: [
        ShopModule.with({
          urls: [node.url],
          name: 'shop',
          participants: { dataDirectory: join(directory.path, platform, data) },
          ...more,
        }),
      ],
    }).compile();
    const application = module.createNestApplication(adapter(), { logger: false });
    applications.push(application);
    await application.listen(0, '127.0.0.1');
    const address = await application.getUrl();
    const order = (sku: string, quantity: unknown) =>
      fetch(`${address}/orders`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ sku, quantity }),
      });
    return { application, address, order };
  }

  it('answers an order when it has committed, and with a status for each way it did not', async () => {
    const { application, address, order } = await shop('statuses');
    const stock = application.get(Stock);
    const placed = await order('lamp', 2);
    expect(placed.status).toBe(202);
    const { txid } = (await placed.json()) as { txid: string };
    await using client = await connect({ urls: [node.url], name: 'shop' });
    expect((await client.status(txid)).state).toMatch(/^COMMITT/);
    expect(stock.left.get('lamp')).toBe(8);

    const refused = await order('lamp', 9);
    expect(refused.status).toBe(409);
    expect(refused.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(await refused.json()).toMatchObject({
      status: 409,
      type: 'urn:verdict:problem:refused',
      detail: 'Too little of lamp.',
    });
    const wrong = await order('lamp', 0);
    expect(wrong.status).toBe(422);
    expect(await wrong.json()).toMatchObject({ type: 'urn:verdict:problem:unprocessable' });
    expect(stock.left.get('lamp')).toBe(8);

    const direct = await fetch(`${address}/direct`);
    expect(direct.status).toBe(200);
    expect(stock.left.get('lamp')).toBe(7);
  });

  it('is ready while there is a leader, and answers 503 with Retry-After while there is none', async () => {
    const { application, address, order } = await shop('health');
    const ready = async () => (await fetch(`${address}/ready`)).json();
    expect(await ready()).toEqual({
      verdict: { status: 'up', participants: ['inventory', 'payment'], inDoubt: 0 },
    });
    await node.kill();
    expect(await ready()).toMatchObject({ verdict: { status: 'down' } });
    const refused = await order('lamp', 1);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    await node.restart();
    await application.get(Orders).client.ready({ timeoutMs: 20_000 });
    for (const served of [Inventory, Payment]) {
      await participantHandle(application.get<object>(served)).connected({ timeoutMs: 20_000 });
    }
    expect(await ready()).toMatchObject({ verdict: { status: 'up' } });
    expect((await order('lamp', 1)).status).toBe(202);
  });

  it('ends in order: orders under way commit, participants stop, then the pool, then the client', async () => {
    const { application, address, order } = await shop('order-of-end');
    const stock = application.get(Stock);
    const { seen } = application.get(Events);
    const gate = Promise.withResolvers<void>();
    stock.gate = gate.promise;
    const placed = order('lamp', 3);
    while (!seen.includes('prepare begins')) await new Promise((tick) => setImmediate(tick));
    const { client } = application.get(Orders);
    const { health } = application.get(ShopController);
    expect(await health.isHealthy('verdict')).toMatchObject({ verdict: { status: 'up' } });
    const closing = application.close();
    // While requests are still answered: this one is.
    const down = { verdict: { status: 'down', message: 'The application is ending.' } };
    expect(await (await fetch(`${address}/ready`)).json()).toMatchObject(down);
    gate.resolve();
    const response = await placed;
    expect(response.status).toBe(202);
    await closing;
    expect(seen).toEqual(['prepare begins', 'inventory destroyed', 'pool closed']);
    expect(application.get(Payment).closed).toEqual(['resource']);
    await expect(client.begin()).rejects.toMatchObject({ code: 'CLOSED' });
    expect(() => participantHandle(application.get(Inventory))).toThrow('was closed');
  });

  it('can be taken out of traffic before its end, and works on meanwhile', async () => {
    const { application, address, order } = await shop('traffic');
    application.get(VerdictHealthIndicator).refuseTraffic();
    expect(await (await fetch(`${address}/ready`)).json()).toMatchObject({
      verdict: { status: 'down', message: 'The application is ending.' },
    });
    expect((await order('lamp', 1)).status).toBe(202);
  });

  it('can be made again in one process, on the same journals', async () => {
    for (let turn = 0; turn < 3; turn += 1) {
      const { application, order } = await shop('again');
      expect(participantHandle(application.get(Inventory)).name).toBe('inventory');
      expect((await order('lamp', 1)).status).toBe(202);
      await application.close();
    }
  });

  it('serves callers elsewhere, from two replicas at once, each with a journal of its own', async () => {
    const [one, two] = await Promise.all([shop('replica-1'), shop('replica-2')]);
    await using client = await connect({ urls: [node.url], name: 'other' });
    const replicas = [one, two].map(({ application }) => application);
    for (const replica of replicas) {
      await participantHandle(replica.get(Inventory)).connected({ timeoutMs: 20_000 });
    }
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, () =>
        client.transact(
          { branches: [inventory.branch({ sku: 'lamp', quantity: 1 })] },
          { retry: true, answer: 'applied' },
        ),
      ),
    );
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(Array(8).fill('committed'));
    const left = replicas.map((replica) => replica.get(Stock).left.get('lamp') ?? 0);
    expect(left.reduce((sum, each) => sum + each)).toBe(12);
    await one.application.close();
    const outcome = await client.transact(
      { branches: [inventory.branch({ sku: 'lamp', quantity: 1 })] },
      { retry: true },
    );
    expect(outcome.outcome).toBe('committed');
  });
});
