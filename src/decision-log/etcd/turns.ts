/** One at a time. Calls that come meanwhile share the next, which begins after they came. */
export class Turns<T> {
  readonly #run: () => Promise<T>;
  #next: Promise<T> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(run: () => Promise<T>) {
    this.#run = run;
  }

  next(): Promise<T> {
    if (this.#next !== null) return this.#next;
    const next = this.#last.then(() => {
      this.#next = null;
      return this.#run();
    });
    this.#next = next;
    this.#last = next.catch(() => undefined);
    return next;
  }
}
