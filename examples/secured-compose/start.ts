/** The cluster of docker-compose.yml, told of two more identities, and the two beside it. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../cluster/launcher/free-ports.ts';
import { Stage } from '../../scripts/examples/stage.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const ports = await freePorts(6);
const places = ['NODE_1', 'NODE_2', 'NODE_3', 'ETCD_1', 'ETCD_2', 'ETCD_3'];
const cluster = {
  ...Object.fromEntries(places.map((place, at) => [`VERDICT_${place}_PORT`, String(ports[at])])),
  COMPOSE_PROJECT_NAME: `verdict-example-${process.pid}`,
  VERDICT_IDENTITIES: 'participant:gifts,client:web',
};
const compose = (...args: string[]): void => {
  execFileSync('docker', ['compose', ...args], {
    cwd: root,
    env: { ...process.env, ...cluster },
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: 600_000,
  });
};

await using stage = new Stage(import.meta.url);
stage.afterwards(() => compose('--progress', 'quiet', 'down', '--volumes', '--timeout', '10'));
console.log('Starting three nodes and three etcds; the first time their images are built.');
compose('--progress', 'quiet', 'up', '--build', '--wait', '--wait-timeout', '180', '--detach');
const certs = join(stage.data, 'certs');
compose('cp', 'credentials:/issued/for/clients/.', certs);
const env = {
  VERDICT_CERTS: certs,
  VERDICT_URLS: ports
    .slice(0, 3)
    .map((port) => `127.0.0.1:${port}`)
    .join(),
  GIFTS_DATA: stage.data,
};
await stage.service('gifts.ts', { env, ready: /is ready/ });
const code = await stage.program('order.ts', { env });
if (code !== 0) throw new Error('The orders failed.');
