/**
 * Runs the whole shop on this machine: a coordinator and two replicas of each service, each a
 * process that is started again when it has ended. In production this is what your orchestrator
 * does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const restartDelayMs = 500;
const stopTimeoutMs = 30_000;
const { VERDICT_URL, ORDERS_URL, STOCK_URL, PAYMENT_URL } = process.env;
/** Two of each service, in this order. */
const services = ['orders', 'stock', 'payment'];
const ports = (process.env['PORTS'] ?? '3000,3001,3010,3011,3020,3021').split(',');
const databases = [ORDERS_URL, STOCK_URL, PAYMENT_URL];

const running = new Set<ChildProcess>();
let isEnding = false;

function keep(name: string, start: () => ChildProcess): void {
  const child = start();
  running.add(child);
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on('line', (line) => console.log(`${name}: ${line}`));
  }
  child.once('error', (error) => console.log(`${name}: ${error.message}`));
  child.once('close', (code, signal) => {
    running.delete(child);
    if (isEnding) return;
    console.log(`${name}: ended (${signal ?? code}), is started again`);
    setTimeout(() => isEnding || keep(name, start), restartDelayMs);
  });
}

function service(name: string, at: number, replica: number): void {
  const instance = `${name}-${replica}`;
  const program = fileURLToPath(new URL(`./${name}/main.js`, import.meta.url));
  keep(instance, () => {
    const env = {
      ...process.env,
      INSTANCE: instance,
      PORT: ports[2 * at + replica - 1] ?? '',
      DATABASE_URL: databases[at] ?? '',
      // Of this build.
      VERSION: statSync(program).mtime.toISOString(),
    };
    // The channel closes with this process, and then the service ends, too.
    return spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  });
}

// npm puts the programs of the installed packages into PATH.
if (VERDICT_URL === undefined) {
  const args = ['serve', '--data', 'data/verdict', '--log-level', 'warn'];
  keep('verdict', () =>
    spawn('verdict', args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: process.platform === 'win32',
    }),
  );
}
for (const [at, name] of services.entries()) {
  for (const replica of [1, 2]) service(name, at, replica);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (isEnding) return;
    isEnding = true;
    for (const child of running) child.kill(signal);
    setTimeout(() => process.exit(1), stopTimeoutMs).unref();
  });
}
