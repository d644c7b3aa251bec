/**
 * The five services as child processes: their lines with the service's name in front, signals
 * handed on. A service that dies is reported, and started again where that was asked for. Where it
 * was not, one that dies before all have started ends the shop: it would take no orders.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type ServiceName, serviceNames } from './paths.ts';
import type { ServiceMessage } from './run-service.ts';

const main: string = fileURLToPath(new URL('./main.ts', import.meta.url));
const restartMs = 500;
/** Past this, a child that was told to stop is killed. */
const maxStopMs = 15_000;

export interface SuperviseOptions {
  /** What each service gets beside its name. */
  readonly args: readonly string[];
  readonly restart: boolean;
}

/** Printed on stdout once all five have reached a node: for whoever started the shop. */
export const allConnectedText = 'All services are connected.';

/** Resolves with the exit code when all of them have ended. */
export function supervise(options: SuperviseOptions): Promise<number> {
  return new Supervisor(options).run();
}

class Supervisor {
  readonly #options: SuperviseOptions;
  readonly #children = new Map<ServiceName, ChildProcess>();
  readonly #connected = new Set<ServiceName>();
  #failed = false;
  #stopping = false;
  #ended: (exitCode: number) => void = () => undefined;

  constructor(options: SuperviseOptions) {
    this.#options = options;
  }

  run(): Promise<number> {
    process.on('SIGINT', () => this.#stop());
    process.on('SIGTERM', () => this.#stop());
    // Where the shop was started with a channel: whoever did ended, however it did.
    if (process.connected === true) process.on('disconnect', () => this.#stop());
    // Whatever ends this process ends its children: their channel to it closes.
    return new Promise((resolve) => {
      this.#ended = resolve;
      for (const name of serviceNames) this.#start(name);
    });
  }

  #start(name: ServiceName): void {
    const child = spawn(process.execPath, [main, ...this.#options.args, '--only', name], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#children.set(name, child);
    if (child.pid !== undefined) note(`${name} started, pid ${child.pid}.`);
    for (const stream of [child.stdout, child.stderr]) if (stream !== null) prefix(name, stream);
    child.on('message', (message: ServiceMessage) => {
      if (message.kind === 'connected') this.#becameConnected(name);
    });
    let ended = false;
    const end = (how: string): void => {
      if (ended) return;
      ended = true;
      this.#childEnded(name, how);
    };
    child.on('error', (error) => end(`could not be started: ${error.message}`));
    child.on('exit', (code, signal) => end(signal === null ? `exit code ${code}` : String(signal)));
  }

  #becameConnected(name: ServiceName): void {
    const before = this.#connected.size;
    this.#connected.add(name);
    if (this.#connected.size === serviceNames.length && before < serviceNames.length) {
      process.stdout.write(`${allConnectedText}\n`);
    }
  }

  #childEnded(name: ServiceName, how: string): void {
    this.#children.delete(name);
    const expected = this.#stopping && how === 'exit code 0';
    if (!expected) {
      this.#failed ||= this.#stopping || !this.#options.restart;
      const next = this.#options.restart && !this.#stopping ? ' It is started again.' : '';
      note(`${name} ended (${how}).${next}`);
    }
    if (this.#options.restart && !this.#stopping) {
      setTimeout(() => (this.#stopping ? this.#settle() : this.#start(name)), restartMs);
      return;
    }
    if (this.#connected.size < serviceNames.length) this.#stop();
    this.#settle();
  }

  #settle(): void {
    if (this.#children.size > 0) return;
    // The channel would keep the process alive.
    if (process.connected === true) process.disconnect();
    this.#ended(this.#failed ? 1 : 0);
  }

  /** The terminal's Ctrl-C reaches the children as well; a second SIGTERM does them no harm. */
  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    for (const child of this.#children.values()) child.kill('SIGTERM');
    setTimeout(() => {
      for (const child of this.#children.values()) child.kill('SIGKILL');
    }, maxStopMs).unref();
    this.#settle();
  }
}

function note(text: string): void {
  process.stderr.write(`${'shop'.padEnd(12)} | ${text}\n`);
}

function prefix(name: ServiceName, stream: Readable): void {
  const lines = createInterface({ input: stream });
  lines.on('line', (line) => process.stderr.write(`${name.padEnd(12)} | ${line}\n`));
}
