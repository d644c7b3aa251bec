/**
 * No process that a test starts outlives the test's own, not even where that one is killed with -9
 * and no handler of it runs: a guard, one small process for each that starts others, learns of it
 * by a pipe that closes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import process from 'node:process';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('./guard-entry.ts', import.meta.url));
const alive = new Set<ChildProcess>();
let guard: Writable | null = null;

process.once('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

/**
 * `signal`: what it gets when this process is gone. Default SIGKILL; SIGTERM for one that has
 * children of its own and ends them in order.
 */
export function endWithParent(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): void {
  const { pid } = child;
  if (pid === undefined) return;
  if (signal === 'SIGKILL') alive.add(child);
  guard ??= startGuard();
  guard.write(`${signal} ${pid}\n`);
  child.once('exit', () => {
    alive.delete(child);
    guard?.write(`- ${pid}\n`);
  });
}

function startGuard(): Writable {
  const started = spawn(process.execPath, [entry], {
    stdio: ['pipe', 'ignore', 'inherit'],
    // A group of its own: what is sent to the runner's does not reach it.
    detached: true,
  });
  // Neither it nor the pipe to it keeps this process alive.
  started.unref();
  (started.stdin as Socket).unref();
  started.stdin.on('error', () => undefined);
  return started.stdin;
}
