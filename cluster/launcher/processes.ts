/**
 * Child processes: started, watched, ended by their pid, and by no means left behind. Whatever ends
 * this process - its end, Ctrl-C, a fault - ends them.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, createWriteStream, openSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StartOptions {
  /** For people, and for error texts. */
  readonly name: string;
  /** Default: this Node. Then the first argument is a script. */
  readonly command?: string;
  readonly args: readonly string[];
  /** Gets stderr, and stdout where it is not read here. Appended to. */
  readonly logFile: string;
  /** Read stdout here. Default: it goes to the log file. */
  readonly readStdout?: boolean;
  /** Is shown each line of the log, too. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export class ManagedProcess {
  readonly name: string;
  readonly logFile: string;
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #exit: Exit | null = null;

  constructor(options: StartOptions) {
    const { name, command = process.execPath, args, logFile, readStdout = false, onLine } = options;
    this.name = name;
    this.logFile = logFile;
    const log = onLine === undefined ? openSync(logFile, 'a') : 'pipe';
    this.#child = spawn(command, args, {
      stdio: ['ignore', readStdout ? 'pipe' : log, log],
      // A group of its own: the terminal's Ctrl-C is this process's to handle, which ends its
      // children in order.
      detached: true,
    });
    if (typeof log === 'number') closeSync(log);
    else this.#show(options, readStdout);
    this.exited = new Promise((resolve) => {
      const ended = (exit: Exit): void => {
        this.#exit ??= exit;
        resolve(this.#exit);
      };
      this.#child.once('error', () => ended({ code: null, signal: null }));
      this.#child.once('exit', (code, signal) => ended({ code, signal }));
    });
  }

  #show({ logFile, onLine }: StartOptions, readStdout: boolean): void {
    const log = createWriteStream(logFile, { flags: 'a' });
    const { stdout, stderr } = this.#child;
    for (const stream of readStdout ? [stderr] : [stdout, stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        log.write(`${line}\n`);
        onLine?.(line);
      });
    }
    this.#child.once('close', () => log.end());
  }

  get pid(): number | null {
    return this.#child.pid ?? null;
  }

  get stdout(): Readable {
    if (this.#child.stdout === null)
      throw new Error(`The output of ${this.name} is not read here.`);
    return this.#child.stdout;
  }

  get running(): boolean {
    return this.#exit === null;
  }

  /** By the child's own handle: never a pid that another process may have by now. */
  kill(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Asks it to end; kills it where it does not within `timeoutMs`. */
  async stop(timeoutMs: number): Promise<Exit> {
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill('SIGKILL'), timeoutMs);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** Rejects when it ends: for whoever waits for something that it was to do. */
  async failsOnExit(): Promise<never> {
    const exit = await this.exited;
    throw new Error(
      `The ${this.name} ended too early (${exitText(exit)}). Its log: ${this.logFile}`,
    );
  }
}

export function exitText({ code, signal }: Exit): string {
  return signal ?? (code === null ? 'it could not be started' : `exit code ${code}`);
}

export class Processes {
  readonly #all: ManagedProcess[] = [];
  readonly #cleanups: (() => void)[] = [];

  constructor() {
    // The last resort, synchronous: an uncaught error or process.exit comes past here as well.
    process.on('exit', this.killAll);
  }

  start(options: StartOptions): ManagedProcess {
    const started = new ManagedProcess(options);
    this.#all.push(started);
    return started;
  }

  /**
   * For what a process leaves behind that ends it with -9. Synchronous, and runs after all of them
   * have ended.
   */
  atEnd(cleanup: () => void): void {
    this.#cleanups.push(cleanup);
  }

  readonly killAll = (): void => {
    for (const child of this.#all) child.kill('SIGKILL');
    for (const cleanup of this.#cleanups.splice(0)) cleanup();
  };

  /** The newest first: who depends on others ends before them. */
  async stopAll(timeoutMs: number): Promise<void> {
    for (const child of this.#all.toReversed()) await child.stop(timeoutMs);
    process.off('exit', this.killAll);
    this.killAll();
  }
}
