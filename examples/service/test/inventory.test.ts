/** The service and a client of it, with a real coordinator in this process. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Client } from 'verdict/client';
import { startTestCoordinator, type TestCoordinator } from 'verdict/testing';
import { openVersionedStore, type VersionedStore } from 'verdict/versioned-store';
import { inventory, startInventory } from '../src/inventory.ts';

let directory: string;
let store: VersionedStore;
let coordinator: TestCoordinator;
let client: Client;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'inventory-test-'));
  store = await openVersionedStore({
    dataDirectory: directory,
    initial: [{ key: 'lamp', value: 10 }],
  });
  coordinator = await startTestCoordinator();
  await coordinator.participant((connection) => startInventory(store, connection));
  client = await coordinator.connect();
});
afterEach(async () => {
  await coordinator.close();
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

const order = (quantity: number) =>
  client.transact({ branches: [inventory.branch({ sku: 'lamp', quantity })] });

/** What others see, once all that was decided is carried out. */
async function lamps(): Promise<number | undefined> {
  await coordinator.whenAllSettled();
  return (await store.read<number>('lamp'))?.value;
}

test('an order takes what it asks for', async () => {
  const outcome = await order(3);
  assert.equal(outcome.outcome, 'committed');
  assert.equal(outcome.results?.inventory.left, 7);
  assert.equal(await lamps(), 7);
});

test('more than there is is refused, and nothing is taken', async () => {
  const outcome = await order(11);
  assert.equal(outcome.outcome, 'aborted');
  assert.equal(outcome.reason.message, 'Only 10 of lamp left.');
  assert.equal(await lamps(), 10);
});

test('what is no order is refused before the service sees it', async () => {
  assert.equal((await order(-1)).outcome, 'aborted');
  assert.equal(await lamps(), 10);
});

for (const fault of [
  'crash before the vote',
  'crash after the vote',
  'crash after the commit',
] as const) {
  test(`the books are right after a ${fault}`, async () => {
    const { happened } = coordinator.inject(fault, { participant: 'inventory' });
    const { outcome } = await order(1);
    await happened;
    assert.equal(await lamps(), outcome === 'committed' ? 9 : 10);
  });
}
