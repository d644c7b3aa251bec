/** The level of a node's log, as an operator changes it while the node runs. */
import { defined } from '../core/defined.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { LogLevel } from '../ports/logger.ts';

export interface LevelOfLog {
  get(): LogLevel;
  set(level: LogLevel): void;
}

/** By whom the level in force was set while the node ran. */
export interface LevelChange {
  readonly by: string;
  /** In milliseconds since 1970; `untilMs`: then it is as it was at the start. */
  readonly atMs: number;
  readonly untilMs?: number;
  readonly start: LogLevel;
}

export class LogLevelControl {
  readonly #clock: Clock;
  readonly #log: LevelOfLog;
  /** As the node was started. */
  readonly #usual: LogLevel;
  readonly #changed: (debug: boolean) => void;
  #back: Timer | null = null;
  #change: LevelChange | null = null;

  /** `changed`: hears whether notes of level debug are wanted from now on. */
  constructor(clock: Clock, log: LevelOfLog, changed: (debug: boolean) => void) {
    this.#clock = clock;
    this.#log = log;
    this.#usual = log.get();
    this.#changed = changed;
  }

  /** Null: it is as the node was started. */
  get change(): LevelChange | null {
    return this.#change;
  }

  /** Returns the level before. A later call ends an earlier `forMs`. */
  set(level: LogLevel, forMs?: number, by = 'an operator'): LogLevel {
    const was = this.#log.get();
    this.#back?.cancel();
    this.#back = null;
    this.#put(level);
    if (forMs !== undefined && level !== this.#usual) {
      this.#back = this.#clock.setTimer(forMs, () => {
        this.#back = null;
        this.#put(this.#usual);
        this.#change = null;
      });
    }
    const atMs = this.#clock.wallMs();
    const untilMs = this.#back === null ? undefined : atMs + (forMs ?? 0);
    this.#change = { by, atMs, ...defined({ untilMs }), start: this.#usual };
    return was;
  }

  close(): void {
    this.#back?.cancel();
  }

  #put(level: LogLevel): void {
    this.#log.set(level);
    this.#changed(level === 'debug');
  }
}
