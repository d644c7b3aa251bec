/**
 * The shop of `npm create verdict` under load: each of its processes is killed with -9 and comes
 * back, and both replicas of each service are replaced. Its books stay in order, and one key has
 * one outcome.
 */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';
import { NestShop, services } from './nest-shop.ts';
import { ShopLoad } from './nest-shop-load.ts';

const between = 8;
const timeoutMs = 180_000 * slownessFactor;

/** Every answer is an order or a refusal, its order is in the books, and it is given again. */
async function expectOneOutcome(shop: NestShop, load: ShopLoad): Promise<void> {
  const { orders } = await shop.inOrder();
  const placed = load.answers.filter(({ status }) => status === 201);
  const refused = load.answers.filter(({ status }) => status !== 201);
  const stuck = `${await load.stuck}\n${load.failures.join('\n')}`;
  expect(
    refused.filter(({ status }) => status === 0),
    stuck,
  ).toEqual([]);
  expect(placed.map(({ told }) => told).sort()).toEqual(
    orders.map(({ id, txid }) => `${id} ${txid}`).sort(),
  );
  expect(new Set(refused.map(({ status, told }) => `${status} ${told}`))).toEqual(
    new Set(['409 carl has too little money.']),
  );
  expect(await load.again()).toEqual(load.answers);
  expect((await shop.inOrder()).orders).toHaveLength(orders.length);
}

describe('the shop of NestJS services under load', () => {
  it('has its books in order, whichever of its processes is killed', {
    timeout: timeoutMs,
  }, async ({ skip }) => {
    const missing = await mariadbMissing();
    if (missing !== null) skip(missing);
    await using shop = await NestShop.open();
    const load = new ShopLoad(
      () => shop.portsOf('orders'),
      () => shop.standing(),
    );
    await load.more(between);
    for (const replica of [1, 2]) {
      const back: Promise<void>[] = [];
      for (const service of services) {
        const place = shop.place(`${service}-${replica}`);
        await place.child.kill();
        await load.more(between);
        back.push(shop.start(place, 'v1'));
      }
      await Promise.all(back);
      await load.more(between);
    }
    await shop.node.restart();
    await load.more(between);
    for (const { server } of [shop.postgresql, shop.mariadb]) {
      await server.kill();
      await server.start();
      await load.more(between);
    }
    await load.stop();
    await expectOneOutcome(shop, load);
    expect(shop.node.alarms()).toEqual([]);
  });

  it('fails no request while both replicas of each service are replaced', {
    timeout: timeoutMs,
  }, async ({ skip }) => {
    const missing = await mariadbMissing();
    if (missing !== null) skip(missing);
    await using shop = await NestShop.open();
    const load = new ShopLoad(
      () => shop.portsOf('orders'),
      () => shop.standing(),
    );
    await load.more(between);
    for (const service of services) {
      for (const replica of [1, 2]) {
        const old = shop.place(`${service}-${replica}`);
        // The first as in a StatefulSet: its successor has its name and journal. The other as in a
        // Deployment: one of another name comes first.
        if (replica === 2) await shop.add(service, `${service}-3`, 'v2');
        expect(await old.child.stop()).toEqual({ code: 0, signal: null });
        if (replica === 1) await shop.start(old, 'v2');
        else shop.remove(old);
        await load.more(between);
      }
    }
    await load.stop();
    expect(load.failures).toEqual([]);
    await expectOneOutcome(shop, load);
    for (const { port } of shop.places) {
      const response = await fetch(`http://127.0.0.1:${port}/health`);
      expect(await response.json()).toMatchObject({ status: 'up', version: 'v2' });
    }
    expect(shop.lines().filter((line) => / ERROR | FATAL /.test(line))).toEqual([]);
  });

  it('answers each of its reads with 503 while its database is down', {
    timeout: timeoutMs,
  }, async ({ skip }) => {
    const missing = await mariadbMissing();
    if (missing !== null) skip(missing);
    await using shop = await NestShop.open();
    const reads = [
      ['orders', 'orders/none', 404],
      ['stock', 'items', 200],
      ['payment', 'accounts', 200],
    ] as const;
    const answers = (): Promise<[number, string][]> =>
      Promise.all(
        reads.map(async ([service, path]) => {
          const [port] = shop.portsOf(service);
          const response = await fetch(`http://127.0.0.1:${port}/${path}`);
          return [response.status, await response.text()];
        }),
      );
    const usual = reads.map(([, , status]) => status);
    expect((await answers()).map(([status]) => status)).toEqual(usual);
    await Promise.all([shop.postgresql.server.kill(), shop.mariadb.server.kill()]);
    const told = (await answers()).map(([status, body]) => [status, JSON.parse(body).message]);
    expect(told).toEqual(
      ['Orders', 'Items', 'Accounts'].map((what) => [
        503,
        `${what} cannot be read now. Try again.`,
      ]),
    );
    await Promise.all([shop.postgresql.server.start(), shop.mariadb.server.start()]);
    await eventually(
      async () => {
        const found = (await answers()).map(([status]) => status);
        return isDeepStrictEqual(found, usual) ? found : null;
      },
      () => 'the databases to be read again',
    );
  });
});
