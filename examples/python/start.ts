/** Two banks and transfers between them, all in Python. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Stage } from '../../scripts/examples/stage.ts';

const command = 'python3';
await using stage = new Stage(import.meta.url);
const url = await stage.coordinator();
const storeOf = (bank: string): string => join(stage.data, `${bank}.sqlite`);
for (const bank of ['bank1', 'bank2']) {
  const args = [bank, storeOf(bank), url];
  await stage.service('participant.py', { command, args, ready: /^connected to/ });
}
const first = new DatabaseSync(storeOf('bank1'), { timeout: 5_000 });
first.exec("INSERT INTO accounts VALUES ('anna', 10000)");
first.close();

const transfers = [
  ['rent-11', 7_000],
  // Once more, as after a lost answer: the same transaction.
  ['rent-11', 7_000],
  // More than is left.
  ['rent-12', 7_000],
] as const;
for (const [id, cents] of transfers) {
  console.log(`${id}: anna at bank1 pays bert at bank2 ${cents} cents`);
  const args = [url, id, 'bank1/anna', 'bank2/bert', String(cents)];
  await stage.program('client.py', { command, args });
}

// A commit reaches the banks right after its answer.
const deadlineMs = performance.now() + 10_000;
let balances = balancesNow();
while (balances !== 'anna 3000, bert 7000' && performance.now() < deadlineMs) {
  await new Promise((resolve) => setTimeout(resolve, 50));
  balances = balancesNow();
}
console.log(balances);
if (balances !== 'anna 3000, bert 7000') throw new Error('The books are not in order.');
console.log('The books are in order.');

function balancesNow(): string {
  return ['bank1', 'bank2']
    .flatMap((bank) => {
      using store = new DatabaseSync(storeOf(bank), { readOnly: true, timeout: 5_000 });
      return store.prepare('SELECT account, cents FROM accounts').all();
    })
    .map(({ account, cents }) => `${account} ${cents}`)
    .join(', ');
}
