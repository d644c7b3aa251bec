/** Counts what is under way and will be answered, so that a close can wait for it. */
export class UnderWay {
  readonly #failed: (error: unknown) => void;
  #count = 0;
  #none: (() => void) | null = null;
  /** Once set, no `then` is called. */
  stopped = false;

  /** `failed`: work, or what followed it, threw. */
  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  begin(): void {
    this.#count += 1;
  }

  /** What was begun has ended; `then` is not called once stopped. */
  end(then: () => void): void {
    this.#follow(then);
    this.#count -= 1;
    if (this.#count === 0) this.#none?.();
  }

  await<T>(work: Promise<T>, then: (result: T) => void): void {
    this.begin();
    work.then(
      (result) => this.end(() => then(result)),
      (error: unknown) =>
        this.end(() => {
          throw error;
        }),
    );
  }

  /** The same of what no one is answered: a close does not wait for it. */
  watch(work: Promise<unknown>, then: () => void): void {
    work.then(
      () => this.#follow(then),
      (error: unknown) =>
        this.#follow(() => {
          throw error;
        }),
    );
  }

  /** Resolves when nothing is under way. */
  none(): Promise<void> {
    if (this.#count === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#none = resolve;
    });
  }

  #follow(then: () => void): void {
    try {
      if (!this.stopped) then();
    } catch (error) {
      if (!this.stopped) this.#failed(error);
    }
  }
}
