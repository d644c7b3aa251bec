/**
 * Writes to a store, three at once, until its disk is full. Prints what the program was told, and
 * what ended as no one's.
 */
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { openLmdb } from '../../../src/store/lmdb.ts';

const [, , directory = ''] = process.argv;
const told: string[] = [];
const rejected: string[] = [];
const unhandled: string[] = [];
process.on('unhandledRejection', (error) => unhandled.push(String(error)));

const store = openLmdb({
  directory,
  file: 'full.mdb',
  onFatal: (error) => void told.push(String(error)),
});
let written = 0;
async function write(): Promise<void> {
  for (;;) {
    written += 1;
    const key = `key-${written}`;
    await store.transact((keys) => keys.put(key, Buffer.alloc(2_000)));
  }
}
await Promise.all(
  [write(), write(), write()].map((each) => each.catch((e) => rejected.push(String(e)))),
);
// Whatever is left to no one is told in a turn of its own.
await pause(50);
console.log(JSON.stringify({ told, rejected: rejected.length, unhandled }));
