/**
 * The end of a process that has LMDB open.
 *
 * Node joins the threads of libuv's pool before it ends, after `process.exit` and after an uncaught
 * error. LMDB's writer is one of them, and with a transaction whose body has not run yet it waits
 * for this thread, which waits for it: the process would stay forever, its directory locked. So a
 * process that ends in the middle of a transaction ends by SIGKILL (a shell shows 137), after its
 * exit listeners. What was not answered was not promised: the store is made for that.
 *
 * PID 1 of a container is spared every signal from within, SIGKILL too. It becomes another program
 * that only ends: for that the kernel ends the threads of the old one.
 */
import { writeSync } from 'node:fs';
import process from 'node:process';
import { inspect } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { thrownStack } from '../core/thrown.ts';

/** How long `exitSoon` waits for transactions: many times a flush on a healthy disk. */
const graceMs = 1_000;

let underWay = 0;
let soonWith: number | null = null;
let guarding = false;
let uncaught: { readonly error: unknown } | null = null;

/** Runs one LMDB transaction. Once the process is to end none begins: the promise stays open. */
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

/** Ends the process when no transaction is under way, or at the latest after the grace. */
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
  // Nothing runs after the kill: neither later listeners nor Node's report of an uncaught error.
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
  // Whatever it throws, what follows must be tried all the same.
  try {
    const { execPath } = process;
    process.execve?.(execPath, [execPath, '-e', `process.exit(${exitCode})`], {});
  } catch (error) {
    report(error);
  }
  // Where its signal does nothing it ends in a processor fault, which ends a PID 1 too.
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
