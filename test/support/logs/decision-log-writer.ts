/** A process that decides and binds without end and tells each answer, until it is killed. */
import process from 'node:process';
import { openEmbeddedLog } from '../../../src/decision-log/embedded/log.ts';
import { tell } from '../process/tell.ts';
import { commitOf, never, realClock, txidAt } from './stores.ts';

const directory = process.argv[2];
if (directory === undefined) throw new Error('Give the directory.');
const log = await openEmbeddedLog({
  directory,
  node: 'writer',
  url: 'ws://writer',
  clock: realClock,
});
const leadership = await log.campaign(0, { signal: never });
let sequence = 0;

async function decideForEver(): Promise<never> {
  for (;;) {
    sequence += 1;
    const txid = txidAt(leadership.epoch, sequence);
    const requestId = `request of ${txid}`;
    const result = await leadership.decide(commitOf(txid, { requestId }));
    if (result.type !== 'written') throw new Error(`Not written: ${JSON.stringify(result)}`);
    const holder = await log.bind({ participant: 'p', instance: txid }, 'writer');
    if (holder !== 'writer') throw new Error(`Not bound: ${holder}`);
    tell(`${JSON.stringify({ txid, requestId })}`);
  }
}

await Promise.all(Array.from({ length: 8 }, decideForEver));
