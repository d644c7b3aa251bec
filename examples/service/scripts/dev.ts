/**
 * `npm run dev`: a coordinator, and the service, which starts anew when its files change. The data
 * of both is temporary, for a service that has voted refuses a coordinator that has forgotten it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { urls } from '../src/settings.ts';

const stopTimeoutMs = 10_000;
const verdict = new URL('bin/verdict.mjs', import.meta.resolve('verdict/package.json'));
const service = new URL('../src/service.ts', import.meta.url);
const data = mkdtempSync(join(tmpdir(), 'service-dev-'));

function start(...args: readonly string[]): ChildProcess {
  const env = { ...process.env, DATA_DIRECTORY: data };
  return spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], env });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
  await exit;
  clearTimeout(timer);
}

const coordinator = start(fileURLToPath(verdict), 'dev', '--listen', urls[0] ?? '');
const watched = start('--watch', '--watch-preserve-output', fileURLToPath(service));

// Until Ctrl-C, or until one of them ends by itself.
process.exitCode = await new Promise<number>((resolve) => {
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => resolve(0));
  }
  for (const child of [coordinator, watched]) {
    child.once('exit', (code) => resolve(code === 0 ? 0 : 1));
  }
});
await ended(watched);
await ended(coordinator);
rmSync(data, { recursive: true, force: true });
