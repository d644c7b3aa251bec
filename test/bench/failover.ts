/**
 * `npm run figures`: how fast a cluster over etcd recovers, each beside its aim.
 *
 * Real processes on this machine: one etcd, three nodes, three participants, the clients in this
 * one. Absolute times are this machine's; ratios are taken in one run.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { afterKill, afterStop } from './failover-times.ts';
import type { Figure } from './figure.ts';
import { inDoubt } from './in-doubt.ts';
import { afterVanishing } from './vanished-host.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    stops: { type: 'string', default: '5' },
    vanishings: { type: 'string', default: '5' },
    doubts: { type: 'string', default: '10' },
    'lease-ttl': { type: 'string', default: '3000' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`npm run figures -- [--kills N] [--stops N] [--vanishings N] [--doubts N] [--lease-ttl MS]

Failover times of a cluster over a real etcd.
  --kills N       how often the leader is killed with -9 (default 50)
  --stops N       how often the leader is stopped past its lease (default 5)
  --vanishings N  how often the leader's host vanishes (default 5)
  --doubts N      how often participants in doubt are cut off (default 10)
  --lease-ttl MS  the nodes' lease (default 3000)`);
  process.exit(0);
}
const kills = Number(values.kills);
const stops = Number(values.stops);
const vanishings = Number(values.vanishings);
const doubts = Number(values.doubts);
const leaseTtlMs = Number(values['lease-ttl']);
if (
  ![kills, stops, vanishings, doubts, leaseTtlMs].every(
    (value) => Number.isInteger(value) && value >= 0,
  )
) {
  console.error('--kills, --stops, --vanishings, --doubts and --lease-ttl must be whole numbers.');
  process.exit(2);
}

const [programs] = await etcdsToTest();
if (programs === undefined) process.exit(1);
const etcd = await TestEtcd.start(programs);
const cluster = await EtcdCluster.started({ etcd, leaseTtlMs, options: {} });
const figures: Figure[] = [];
try {
  figures.push(...(await afterKill({ cluster, times: kills, progress })));
  figures.push(...(await afterStop({ cluster, times: stops, leaseTtlMs, progress })));
} finally {
  await cluster.remove();
  await etcd.dispose();
}
figures.push(
  ...(await afterVanishing({ etcd: programs, times: vanishings, leaseTtlMs, progress })),
);
if (doubts > 0) figures.push(...(await inDoubt({ etcd: programs, times: doubts, progress })));
progress('');
for (const { what, value, aim, met } of figures) {
  const mark = met === null ? '   ' : met ? 'ok ' : 'NO ';
  console.log(`${mark} ${what.padEnd(66)} ${value.padStart(24)}   ${aim}`);
}
process.exit(0);

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[2K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}
