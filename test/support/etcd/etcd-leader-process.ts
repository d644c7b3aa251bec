/**
 * A node's log in a process of its own, which leads and decides until it is killed. It tells each
 * answer on stdout, one JSON object a line: {"leading": epoch}, {"written": txid}, {"lost": why}.
 */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEtcdLog } from '../../../src/decision-log/etcd/etcd-log.ts';
import { commitOf, issuedAt, never, realClock, realRandom } from '../logs/stores.ts';
import { tell } from '../process/tell.ts';

const [endpoints = '', cluster = '', node = '', stateDirectory = ''] = process.argv.slice(2);
const say = (line: object): void => tell(JSON.stringify(line));

const log = await openEtcdLog({
  endpoints: endpoints.split(','),
  cluster,
  node,
  url: `ws://${node}`,
  stateDirectory,
  clock: realClock,
  random: realRandom,
});
const leadership = await log.campaign(0, { signal: never });
say({ leading: leadership.epoch });
try {
  for (let sequence = 1; ; sequence += 1) {
    const txid = issuedAt(log.meta, leadership.epoch, sequence);
    const result = await leadership.decide(commitOf(txid));
    if (result.type !== 'written') throw new Error(`Not written: ${JSON.stringify(result)}`);
    say({ written: txid });
    await sleep(2);
  }
} catch (error) {
  say({ lost: String(error), certain: leadership.isCertain() });
}
// Goes on living, as a node would.
setInterval(() => undefined, 1_000);
