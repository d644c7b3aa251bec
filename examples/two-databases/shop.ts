/** The service: places orders without end, four at a time, until SIGTERM or something worse. */
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { TransactionAbortedError } from 'verdict/embedded';
import { db, placeOrder, SoldOut } from './orders.ts';

const items = ['lamp', 'chair', 'table', 'shelf', 'globe'];
let stopping = false;
process.once('SIGTERM', () => {
  stopping = true;
});
console.log('open');
await Promise.all(items.slice(0, 4).map((_, index) => customer(index)));
await db.close();

async function customer(first: number): Promise<void> {
  for (let next = first; !stopping; next += 1) {
    const id = randomUUID();
    const item = items[next % items.length] ?? 'lamp';
    try {
      await placeOrder(id, item);
      console.log(`placed ${id} ${item}`);
    } catch (error) {
      if (error instanceof SoldOut) console.log(`refused ${id}: ${error.message}`);
      // A database was away, or rows were locked, in all attempts. Nothing is written.
      else if (error instanceof TransactionAbortedError)
        console.log(`later ${id}: ${error.message}`);
      else throw error;
    }
  }
}
