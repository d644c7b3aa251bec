/** Group commit: what comes while flushes are under way shares the next. */
export interface GroupedOptions<T> {
  readonly flush: (batch: readonly T[]) => Promise<unknown>;
  readonly done: (batch: readonly T[]) => void;
  /** Default: no bound. */
  readonly maxBatch?: number;
  /** Default 1. */
  readonly maxInFlight?: number;
  /** How long one may wait for others: for what no one waits for. Default: to the turn's end. */
  readonly delayMs?: number;
}

export class Grouped<T> {
  readonly #options: GroupedOptions<T>;
  #queue: T[] = [];
  #inFlight = 0;
  #scheduled = false;

  constructor(options: GroupedOptions<T>) {
    this.#options = options;
  }

  add(entry: T): void {
    this.#queue.push(entry);
    this.#schedule();
  }

  #schedule(): void {
    const { maxInFlight = 1, delayMs = 0 } = this.#options;
    if (this.#scheduled || this.#inFlight >= maxInFlight || this.#queue.length === 0) return;
    this.#scheduled = true;
    if (delayMs === 0) setImmediate(this.#run);
    else setTimeout(this.#run, delayMs);
  }

  readonly #run = (): void => {
    const { maxBatch = Number.POSITIVE_INFINITY, maxInFlight = 1 } = this.#options;
    this.#scheduled = false;
    while (this.#inFlight < maxInFlight && this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = batch.length > maxBatch ? batch.splice(maxBatch) : [];
      void this.#flush(batch);
    }
  };

  /** A flush that fails ends the process: nothing here may go on without it. */
  async #flush(batch: readonly T[]): Promise<void> {
    this.#inFlight += 1;
    await this.#options.flush(batch);
    this.#inFlight -= 1;
    this.#options.done(batch);
    this.#schedule();
  }
}

/**
 * What LMDB is given in one turn it commits as one transaction, in order: the last is durable after
 * all the others. A transaction with a callback would cost twice as much for a few entries.
 */
export function inOneTransaction<T>(
  batch: readonly T[],
  write: (entry: T) => Promise<unknown>,
): Promise<unknown> {
  let last: Promise<unknown> = Promise.resolve();
  for (const entry of batch) last = write(entry);
  return last;
}
