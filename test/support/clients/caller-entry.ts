/**
 * A client in a process of its own, on a host of its own: calls until SIGTERM, and tells how each
 * call ended. Then it tells what the decision log holds, for whoever started it cannot reach etcd.
 * Run: caller-entry.ts SETTINGS, one JSON object.
 */
import { writeSync } from 'node:fs';
import { connect } from '../../../src/client.ts';
import { EtcdHistory, readEtcdLog } from '../etcd/etcd-history.ts';
import { pause } from '../process/child.ts';
import type { CallerSettings } from './caller-process.ts';
import { History } from './history.ts';
import { SteadyLoad } from './steady-load.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as CallerSettings;
const { endpoints, cluster, urls, tls } = settings;
const history = new History();
const client = await connect({
  urls,
  ...(tls === undefined ? {} : { tls }),
  timeoutMs: 20_000,
});
const load = new SteadyLoad({
  history,
  clients: [client],
  participants: settings.participants,
  loops: 2,
  pauseMs: 10,
});
say({ event: 'calling' });

let told = 0;
const telling = setInterval(() => tell(), 50);
process.once('SIGTERM', () => void end());

async function end(): Promise<void> {
  await load.stop();
  clearInterval(telling);
  tell();
  await client.close();
  // Forced aborts leave decisions/ by and by, and acknowledgements come late: whoever reads waits
  // for them.
  for (;;) {
    const log = await readEtcdLog({ endpoints, cluster, shards: 1 });
    const changes = await new EtcdHistory({ endpoints, cluster }).read();
    say({
      event: 'log',
      log,
      changes: changes.map((change) => ({ ...change, revision: String(change.revision) })),
    });
    await pause(500);
  }
}

function tell(): void {
  for (; told < history.calls.length; told += 1) say({ event: 'call', call: history.calls[told] });
}

function say(fields: object): void {
  const line = Buffer.from(`${JSON.stringify(fields)}\n`);
  for (let at = 0; at < line.length; ) {
    try {
      at += writeSync(1, line, at);
    } catch (error) {
      // The pipe is full.
      if ((error as { code?: string }).code !== 'EAGAIN') throw error;
    }
  }
}
