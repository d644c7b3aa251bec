/**
 * A child process that runs a file, on this Node or what is named, its output kept, ended by pid.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { endWithParent } from './end-with-parent.ts';
import { patienceMs } from './slowness.ts';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const root = new URL('../../../', import.meta.url);
/** Output kept for a failure's message; what is older goes. */
const linesKept = 5_000;

export class Child {
  readonly exited: Promise<Exit>;
  /** Of stdout and stderr together, in order of arrival. */
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #watchers = new Set<() => void>();
  #exit: Exit | null = null;

  /**
   * `file`: from the root of the clone, or absolute. `through`: a command that runs the rest of its
   * line as one, such as `ip netns exec NAME`.
   */
  constructor(
    file: string,
    options: {
      readonly args: readonly string[];
      readonly env?: Record<string, string>;
      readonly through?: readonly string[];
      /** What runs the file. Default: this Node. */
      readonly program?: string;
      readonly cwd?: string;
    },
  ) {
    const path = fileURLToPath(new URL(file, root));
    const [program = '', ...args] = [
      ...(options.through ?? []),
      options.program ?? process.execPath,
      path,
      ...options.args,
    ];
    this.#process = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    endWithParent(this.#process);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream !== null)
        createInterface({ input: stream }).on('line', (line) => this.#heard(line));
    }
    // 'close' and not 'exit': by then its last words are read.
    this.exited = new Promise((resolve) => {
      this.#process.once('close', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
        this.#tell();
      });
    });
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('The child process did not start.');
    return this.#process.pid;
  }

  get exit(): Exit | null {
    return this.#exit;
  }

  /** Sends one message over the channel and resolves with the next that comes. */
  ask(message: object): Promise<unknown> {
    const answered = new Promise((resolve) => this.#process.once('message', resolve));
    this.#process.send(message);
    return within(answered, `process ${this.pid} to answer`);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#exit === null) process.kill(this.pid, signal);
  }

  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }

  /** SIGTERM, and the exit that follows it. */
  async stop(): Promise<Exit> {
    this.signal('SIGTERM');
    return within(this.exited, `process ${this.pid} to stop after SIGTERM`);
  }

  /** Resolves with the first line that matches, or null when the process ends without one. */
  line(pattern: RegExp): Promise<string | null> {
    let read = 0;
    const found = new Promise<string | null>((resolve) => {
      const look = (): void => {
        for (; read < this.lines.length; read += 1) {
          const line = this.lines[read] as string;
          if (!pattern.test(line)) continue;
          this.#watchers.delete(look);
          resolve(line);
          return;
        }
        if (this.#exit === null) return;
        this.#watchers.delete(look);
        resolve(null);
      };
      this.#watchers.add(look);
      look();
    });
    return within(found, `a line like ${pattern}\n${this.lines.slice(-20).join('\n')}`);
  }

  #heard(line: string): void {
    this.lines.push(line);
    if (this.lines.length > linesKept * 2) this.lines.splice(0, linesKept);
    this.#tell();
  }

  #tell(): void {
    for (const look of [...this.#watchers]) look();
  }
}

/** A file of this clone, or of another version whose root that is. */
export function ofBuild(file: string, build: string | undefined): string {
  return build === undefined ? file : join(build, file);
}

export async function within<T>(
  promise: Promise<T>,
  what: string,
  timeoutMs: number = patienceMs,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${timeoutMs} ms for ${what}`)), timeoutMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is not null; fails with what `describe` says then. */
export async function eventually<T>(
  ask: () => T | null | Promise<T | null>,
  describe: () => string,
  timeoutMs: number = patienceMs,
): Promise<T> {
  const untilMs = performance.now() + timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > untilMs) throw new Error(`Waited ${timeoutMs} ms for ${describe()}`);
    await pause(20);
  }
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
