/**
 * Who only locked rows commits last. Told at once, this is what would happen:
 *
 *     A locks a row in orders, and writes in stock what that row guards; both are prepared
 *     A is committed in orders            the row is free
 *     B locks the row, and reads in stock what was there before A: A's commit is not there yet
 *     A is committed in stock
 *     B writes by what it read            A's is lost, or done twice
 */
import type { Clock } from '../ports/clock.ts';
import { doneWithin } from '../resources/sql/waiting.ts';

/** Where a writer's database is gone, or another process commits there, and no one here hears. */
export const maxOrderWaitMs = 30_000;

export class CommitOrder {
  readonly #clock: Clock;
  readonly #left: Set<string>;
  readonly #written = Promise.withResolvers<void>();

  /** `writers`: names of databases. All others of the run wait for these. */
  constructor(clock: Clock, writers: Iterable<string>) {
    this.#clock = clock;
    this.#left = new Set(writers);
    if (this.#left.size === 0) this.#written.resolve();
  }

  /** Resolves when that database may commit: a writer at once, who only locked after them all. */
  async turnOf(name: string): Promise<void> {
    if (this.#left.has(name)) return;
    await doneWithin(this.#clock, this.#written.promise, maxOrderWaitMs);
  }

  committed(name: string): void {
    this.#left.delete(name);
    if (this.#left.size === 0) this.#written.resolve();
  }
}
