/**
 * One process of a database, on a data directory of its own: started, killed, brought back on the
 * same port.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunAs } from './run-as.ts';

export interface ServerProgram {
  /** For people: `PostgreSQL`. */
  readonly what: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user: RunAs | null;
  readonly logFile: string;
  /** Asks for an end that leaves nothing to recover. */
  readonly stopSignal: NodeJS.Signals;
  /** Resolves when a connection is accepted, else rejects. */
  readonly connects: () => Promise<void>;
  /** Gets every process right after its start: it must not outlive whoever started it. */
  readonly onStart: (child: ChildProcess) => void;
}

const startTimeoutMs = 60_000;

export class DatabaseServer {
  readonly #program: ServerProgram;
  #child: ChildProcess | null = null;

  constructor(program: ServerProgram) {
    this.#program = program;
  }

  /** Resolves when it accepts connections: whatever it had to recover is recovered. */
  async start(): Promise<void> {
    if (this.#child !== null) throw new Error(`${this.#program.what} runs already.`);
    const deadlineMs = performance.now() + startTimeoutMs;
    this.#child = this.#spawn();
    for (;;) {
      if (!isRunning(this.#child)) {
        // Right after a kill, the children of the one before may not be gone yet.
        if (performance.now() > deadlineMs) throw this.#failed('ended while it started');
        await sleep(200);
        this.#child = this.#spawn();
      }
      try {
        return await this.#program.connects();
      } catch (error) {
        if (performance.now() > deadlineMs) throw this.#failed(`does not answer (${error})`);
      }
      await sleep(30);
    }
  }

  /** kill -9 of all its processes: nothing is written any more from here on. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child?.pid === undefined || !isRunning(child)) return;
    const exited = once(child, 'exit');
    // Stopped first: it cannot start another child while its children are counted.
    child.kill('SIGSTOP');
    const children = childrenOf(child.pid);
    child.kill('SIGKILL');
    for (const pid of children) killQuietly(pid);
    await exited;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || !isRunning(child)) return;
    const exited = once(child, 'exit');
    child.kill(this.#program.stopSignal);
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exited;
    clearTimeout(timer);
    this.#child = null;
  }

  #spawn(): ChildProcess {
    const { command, args, env, user, logFile, onStart } = this.#program;
    const log = openSync(logFile, 'a');
    const child = spawn(command, [...args], {
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', ...env },
      ...user,
    });
    closeSync(log);
    // Without a listener it would be thrown; that it does not run is seen by whoever waits.
    child.on('error', () => undefined);
    onStart(child);
    return child;
  }

  #failed(how: string): Error {
    const tail = readFileSync(this.#program.logFile, 'utf8').split('\n').slice(-20).join('\n');
    return new Error(`${this.#program.what} ${how}. The end of its log:\n${tail}`);
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/** Linux alone tells; elsewhere they end by themselves when they find their parent gone. */
function childrenOf(parent: number): number[] {
  let entries: string[];
  try {
    entries = readdirSync('/proc');
  } catch {
    return [];
  }
  return entries.filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === parent).map(Number);
}

function parentOf(pid: string): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in parentheses may hold anything.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended by itself meanwhile.
  }
}
