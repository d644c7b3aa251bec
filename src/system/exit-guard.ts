/**
 * The end of a process that has LMDB open.
 *
 * Node joins the threads of libuv's pool before it ends: after `process.exit` and after an uncaught error. LMDB's writer is one
 * of them, and a transaction whose body has not run yet makes it wait for this thread, which is waiting for it: the
 * process would stay forever, mute, with its directory locked. So a process that ends in the middle of a
 * transaction ends by SIGKILL (a shell shows 137), after its exit listeners ran. What was not answered was not promised:
 * dying so is what the store is made for.
 *
 * The first process of a container, PID 1 of its namespace, is spared every signal that comes from within, SIGKILL
 * too. It becomes another program instead, one that only ends: the kernel ends the threads of the old one for that.
 */
import { writeSync } from 'node:fs';
import process from 'node:process';
import { inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { thrownStack } from '../core/thrown.ts';

/** How long `exitSoon` waits for transactions under way: many times what a flush takes on a healthy disk. */
const graceMs = 1_000;

let underWay = 0;
let soonWith: number | null = null;
let guarding = false;
let uncaught: { readonly error: unknown } | null = null;

/** Runs one LMDB transaction. While the process is about to end none begins: the promise stays open. */
export async function guardTransaction<T>(transaction: () => Promise<T>): Promise<T> {
  guard();
  if (soonWith !== null) return new Promise(() => undefined);
  underWay += 1;
  try {
    return await transaction();
  } finally {
    underWay -= 1;
    // Before anyone hears of what was written.
    if (underWay === 0 && soonWith !== null) process.exit(soonWith);
  }
}

/** Ends the process when no transaction is under way, at once where none is; at the latest when the grace is over. */
export function exitSoon(exitCode: number): void {
  if (underWay === 0) process.exit(exitCode);
  if (soonWith !== null) return;
  soonWith = exitCode;
  setTimeout(() => process.exit(exitCode), graceMs);
}

function guard(): void {
  // In a worker thread `exit` is the end of the thread alone.
  if (guarding || !isMainThread) return;
  guarding = true;
  process.on('uncaughtExceptionMonitor', (error) => {
    uncaught = { error };
  });
  process.on('exit', end);
}

function end(exitCode: number): void {
  if (underWay === 0) return;
  // Nothing runs after the kill: not the listeners behind this one, and Node reports an uncaught error only after them.
  const listeners = process.listeners('exit');
  for (const listener of listeners.slice(listeners.indexOf(end) + 1)) {
    try {
      listener.call(process, exitCode);
    } catch (error) {
      report(error);
    }
  }
  if (uncaught !== null) report(uncaught.error);
  if (process.pid === 1) becomeEnded(exitCode);
  process.kill(process.pid, 'SIGKILL');
}

/** Nothing of this program is left after it: not the threads, nor what they hold locked. */
function becomeEnded(exitCode: number): void {
  // Its faults are for stderr, and no one reads them there: what follows must be tried all the same.
  try {
    const { execPath } = process;
    process.execve?.(execPath, [execPath, '-e', `process.exit(${exitCode})`], {});
  } catch (error) {
    report(error);
  }
  // Ends in a fault of the processor where its signal does nothing, and that ends a first process too.
  process.abort();
}

function report(error: unknown): void {
  try {
    writeSync(2, `${inWords(error)}\n`);
  } catch {
    // stderr is a pipe that is full or gone.
  }
}

function inWords(error: unknown): string {
  try {
    return inspect(error);
  } catch {
    return thrownStack(error);
  }
}
