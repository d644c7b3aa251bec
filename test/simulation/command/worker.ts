/** A thread that simulates: it is sent a range of seeds, and answers with what came of them. */
import { parentPort } from 'node:worker_threads';
import { runBatch } from './batch.ts';

export interface Order {
  readonly from: number;
  readonly count: number;
}

const port = parentPort;
if (port === null) throw new Error('This is started as a worker thread.');
port.on('message', ({ from, count }: Order) => {
  // From the event loop itself: within a promise its reactions could not be let settle.
  setImmediate(() => port.postMessage(runBatch(from, count)));
});
