/** Lets a bounded number of tasks run at once; the others wait in order. */
export class Gate {
  readonly #max: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  /** Index of the first that still waits: shifting a long array is slow. */
  #head = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve) => this.enter(resolve));
    try {
      return await task();
    } finally {
      this.leave();
    }
  }

  /** Calls `begin` at once, or as soon as there is a place. Whoever is in must `leave` once. */
  enter(begin: () => void): void {
    if (this.#running >= this.#max) {
      this.#waiting.push(begin);
      return;
    }
    this.#running += 1;
    begin();
  }

  /** Hands the place over to whoever waits, so that no one can slip in between. */
  leave(): void {
    const next = this.#waiting[this.#head];
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    next();
  }
}
