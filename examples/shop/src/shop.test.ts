/** Orders over a coordinator in this process. The services are stand-ins behind real contracts. */
import 'reflect-metadata';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bindVerdict, transactionalPassThrough } from 'verdict/nestjs';
import { type PrepareCall, serveParticipant, vote } from 'verdict/participant';
import { startTestCoordinator } from 'verdict/testing';
import { orders } from './orders/contract.ts';
import { orderIdOf, wantedOf } from './orders/order-requests.ts';
import { Orders } from './orders/orders.ts';
import { payment } from './payment/contract.ts';
import { readConfig } from './shared/config.ts';
import type { PostgresqlDatabase } from './shared/postgresql-database.ts';
import { stock } from './stock/contract.ts';

/** `place` alone does not read. */
const noDatabase = {} as PostgresqlDatabase;
const wanted = { account: 'anna', sku: 'lamp', quantity: 2 };

test('an order asks each service for its part', async () => {
  const verdict = transactionalPassThrough();
  await bindVerdict(new Orders(noDatabase), verdict.client).place('o1', wanted);
  assert.deepEqual(
    verdict.committed.map(({ participant, payload }) => ({ participant, payload })),
    [
      { participant: 'orders', payload: { id: 'o1', ...wanted, cents: 9_800 } },
      { participant: 'stock', payload: { order: 'o1', sku: 'lamp', quantity: 2 } },
      { participant: 'payment', payload: { order: 'o1', account: 'anna', cents: 9_800 } },
    ],
  );
  assert.deepEqual(verdict.locked, ['order/o1', 'sku/lamp', 'account/anna']);
});

test('all of it happens or nothing, also when stock crashes behind its vote', async () => {
  await using coordinator = await startTestCoordinator();
  const applied: string[] = [];
  for (const contract of [orders, stock, payment]) {
    await coordinator.participant((verdict) =>
      serveParticipant({
        name: contract.name,
        payload: contract.payload as typeof payment.payload,
        ...verdict,
        prepare: ({ payload }: PrepareCall<{ account?: string }>) => {
          if (contract === payment && payload.account === 'carl') return vote.abort('No money.');
          return contract === stock ? vote.commit({ left: 1 }) : vote.commit();
        },
        commit: () => void applied.push(contract.name),
        rollback: () => undefined,
      }),
    );
  }
  const shop = bindVerdict(new Orders(noDatabase), await coordinator.connect({ name: 'orders' }));
  await assert.rejects(shop.place('o1', { ...wanted, account: 'carl' }), {
    name: 'TransactionAbortedError',
    code: 'VOTED_ABORT',
  });
  await coordinator.whenAllSettled();
  assert.deepEqual(applied, []);
  const { happened } = coordinator.inject('crash after the vote', { participant: 'stock' });
  await shop.place('o2', wanted);
  await happened;
  await coordinator.whenAllSettled();
  assert.deepEqual(applied.sort(), ['orders', 'payment', 'stock']);
});

test('one key is one order, in quotes or without', () => {
  assert.equal(orderIdOf('"k-1"'), orderIdOf('k-1'));
  assert.notEqual(orderIdOf('k-1'), orderIdOf('k-2'));
  for (const key of [undefined, '', '""', 'a"b', 'k'.repeat(256)]) {
    assert.throws(() => orderIdOf(key), /Idempotency-Key/);
  }
});

test('an order of what there is not is refused', () => {
  assert.deepEqual(wantedOf(wanted), wanted);
  const accounts = ['', 'ANNA', 'anna ', 'a\u0000', '\ud800'].map((account) => ({ account }));
  for (const wrong of [{ sku: 'boat' }, { sku: 'toString' }, { quantity: 0 }, ...accounts]) {
    assert.throws(() => wantedOf({ ...wanted, ...wrong }), { name: 'BadRequestException' });
  }
});

test('settings that are wrong are named, all at once', () => {
  const defaults = { service: 'stock', databaseUrl: 'postgres://127.0.0.1/stock', port: 1 };
  assert.equal(readConfig(defaults, { PORT: '' }).port, 1);
  const wrong = { DATABASE_URL: 'mysql://127.0.0.1/stock', PORT: 'http', VERDICT_URL: 'there' };
  assert.throws(() => readConfig(defaults, wrong), /DATABASE_URL: .*\n.*VERDICT_URL: .*\n.*PORT: /);
});
