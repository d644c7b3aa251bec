/**
 * A process under a name, that is waited for until it is ready, that may be killed, and come back:
 *
 *     stopped --start--> starting --ready--> running --kill, stop--> stopped
 *                            |                  |
 *                            +---- it ends -----+--> failed; with `restart`, once ready: starting
 */
import { setTimeout as pause } from 'node:timers/promises';
import { exitText, type ManagedProcess, type Processes, type StartOptions } from './processes.ts';
import { waitUntil } from './waiting.ts';

const readyTimeoutMs = 60_000;
const readyIntervalMs = 10;
const restartMs = 1_000;

export interface ServiceOptions {
  readonly processes: Processes;
  readonly start: StartOptions;
  /** True, or what is still amiss. */
  readonly isReady: () => Promise<true | string>;
  /** Gets a note when it ended of itself and is started again. Without it, that is a failure. */
  readonly restarts?: ((note: string) => void) | undefined;
}

export class Service {
  readonly name: string;
  /** Rejects when it has ended of itself for good. */
  readonly failed: Promise<never>;
  readonly #options: ServiceOptions;
  #process: ManagedProcess | null = null;
  #wasReady = false;
  #fail: (reason: unknown) => void = () => undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.name = options.start.name;
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // It may fail while no one waits for it; whoever waits next hears of it.
    this.failed.catch(() => undefined);
  }

  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** Resolves when it is ready. */
  async start(signal: AbortSignal): Promise<void> {
    this.launch(signal);
    await this.ready(signal);
  }

  /** Begins the process; `ready` waits for it, for some are ready only with others. */
  launch(signal: AbortSignal): void {
    const { processes, start, restarts } = this.#options;
    const started = processes.start(start);
    this.#process = started;
    void started.exited.then((exit) => {
      if (this.#process !== started || signal.aborted) return;
      this.#process = null;
      const text = `${this.name} ended (${exitText(exit)}).`;
      if (restarts === undefined || !this.#wasReady) {
        this.#fail(new Error(`${text} Its log: ${start.logFile}`));
        return;
      }
      restarts(`${text} It is started again.`);
      this.#restart(signal).catch(this.#fail);
    });
  }

  async ready(signal: AbortSignal): Promise<void> {
    const { isReady, start } = this.#options;
    this.#wasReady = false;
    const wait = {
      what: `${this.name} to be ready (its log: ${start.logFile})`,
      timeoutMs: readyTimeoutMs,
      intervalMs: readyIntervalMs,
      signal,
    };
    await Promise.race([waitUntil(wait, isReady), this.failed]);
    this.#wasReady = true;
  }

  async #restart(signal: AbortSignal): Promise<void> {
    await pause(restartMs, undefined, { signal });
    await this.start(signal);
  }

  /**
   * Kill -9. Resolves when it is dead, with the moment of the kill on the clock of
   * `performance.now`.
   */
  async kill(): Promise<number> {
    const killed = this.#release();
    const killedAtMs = performance.now();
    killed?.kill('SIGKILL');
    await killed?.exited;
    return killedAtMs;
  }

  async stop(timeoutMs: number): Promise<void> {
    await this.#release()?.stop(timeoutMs);
  }

  /** From here on its end is no failure. */
  #release(): ManagedProcess | null {
    const ending = this.#process;
    this.#process = null;
    return ending;
  }
}
