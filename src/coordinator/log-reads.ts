/**
 * Readings of the log that peers cause: so many are under way, the others wait, each connection's
 * in its turn. Leases and decisions go to the same etcd, and are never behind ten thousand of
 * these. A log in this process answers at once: there the milliseconds of a turn are the bound.
 */
import type { Clock } from '../ports/clock.ts';

/** Of all connections, and of one. */
const maxUnderWay = 64;
const maxUnderWayOfOne = 32;
/** Of one connection: what it asks beyond is refused. */
const maxWaiting = 2_000;
/** Of one turn of the event loop. */
const budgetMs = 2;

export class AskerGoneError extends Error {
  override readonly name = 'AskerGoneError';
}

interface Reading {
  readonly key: string;
  readonly start: () => Promise<unknown>;
  readonly answer: PromiseWithResolvers<unknown>;
}

interface Reader {
  readonly waiting: Map<string, Reading>;
  underWay: number;
}

export class LogReads {
  readonly #clock: Clock;
  readonly #readers = new Map<number, Reader>();
  #underWay = 0;
  /** What this turn has; null: nothing was started in it. */
  #untilMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Of the connection that waits for the most. */
  get waiting(): { readonly entries: number; readonly maxEntries: number } {
    let entries = 0;
    for (const { waiting } of this.#readers.values()) entries = Math.max(entries, waiting.size);
    return { entries, maxEntries: maxWaiting };
  }

  /** Whether this connection's own readings leave no room for another. */
  isFull(connection: number): boolean {
    return (this.#readers.get(connection)?.waiting.size ?? 0) >= maxWaiting;
  }

  /**
   * `key`: what is read. One that waits is shared with who asks the same again. One under way is
   * not (!): it may have passed the log before whoever asks now looked into the leader's memory,
   * and what was recorded in between would be seen by neither.
   */
  read<T>(connection: number, key: string, start: () => Promise<T>): Promise<T> {
    const reader = this.#readers.get(connection) ?? { waiting: new Map(), underWay: 0 };
    this.#readers.set(connection, reader);
    const same = reader.waiting.get(key);
    if (same !== undefined) return same.answer.promise as Promise<T>;
    const answer = Promise.withResolvers<unknown>();
    reader.waiting.set(key, { key, start, answer });
    this.#go();
    return answer.promise as Promise<T>;
  }

  /** The connection is gone: what waits for it is not read any more. */
  leave(connection: number): void {
    const waiting = this.#readers.get(connection)?.waiting;
    if (waiting === undefined) return;
    const readings = [...waiting.values()];
    waiting.clear();
    for (const { answer } of readings) answer.reject(new AskerGoneError('The asker has gone.'));
  }

  #go(): void {
    let passedBy = 0;
    while (this.#underWay < maxUnderWay && passedBy < this.#readers.size) {
      const [next] = this.#readers;
      if (next === undefined) return;
      const [connection, reader] = next;
      const [reading] = reader.waiting.values();
      const starts = reading !== undefined && reader.underWay < maxUnderWayOfOne;
      if (starts && !this.#hasTime()) return;
      this.#readers.delete(connection);
      if (reading === undefined && reader.underWay === 0) continue;
      this.#readers.set(connection, reader);
      if (!starts) {
        passedBy += 1;
        continue;
      }
      passedBy = 0;
      reader.waiting.delete(reading.key);
      void this.#read(reader, reading);
    }
  }

  #hasTime(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (this.#untilMs === null) {
      this.#untilMs = nowMs + budgetMs;
      this.#clock.setTimer(0, this.#turnOver);
    }
    return nowMs < this.#untilMs;
  }

  readonly #turnOver = (): void => {
    this.#untilMs = null;
    this.#go();
  };

  async #read(reader: Reader, { start, answer }: Reading): Promise<void> {
    this.#underWay += 1;
    reader.underWay += 1;
    try {
      answer.resolve(await start());
    } catch (error) {
      answer.reject(error);
    }
    this.#underWay -= 1;
    reader.underWay -= 1;
    this.#go();
  }
}
