/**
 * Idempotency-Keys while everything breaks: several replicas, in Fastify and in Express, behind
 * proxies that cut and lose replies, clients that hang up, a node that dies. A key has its effect
 * once, and no answer is refuted by what happened.
 */
import { expect, it, onTestFinished } from 'vitest';
import { keyedRun } from '../support/http/keyed-run.ts';
import { expressShop, fastifyShop } from '../support/http/shops.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const seed = 20_271;
const keys = 60;

it(
  'a key has its effect once, and every answer of it is true',
  async () => {
    const cluster = await Cluster.started({ participants: ['a', 'b'] });
    onTestFinished(() => cluster.remove());
    const { url } = cluster.node;
    const shops = await Promise.all([
      fastifyShop(url, { transact: { timeoutMs: 1_000 } }),
      fastifyShop(url, { transact: { retry: false } }),
      expressShop(url, { transact: { timeoutMs: 5_000 } }),
      expressShop(url, { transact: { timeoutMs: 300, retry: false } }),
    ]);
    onTestFinished(async () => {
      await Promise.all(shops.map((shop) => shop.close()));
    });
    const { wrong, statuses, broken, kills } = await keyedRun(
      cluster,
      shops.map((shop) => shop.url),
      { seed, keys },
    );
    expect(wrong).toEqual([]);
    expect([broken > 0, kills > 0]).toEqual([true, true]);
    for (const status of ['201', '409', 'null']) expect(statuses).toHaveProperty(status);
  },
  180_000 * slownessFactor,
);
