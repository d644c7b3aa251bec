import { type Retired, RetiredSet } from '../core/retired.ts';

type Listener = (retired: Retired) => void;

/** What was retired, for everyone in this process who wants to hear of it. */
export class RetiredBoard {
  readonly #listeners = new Set<Listener>();
  readonly #known: RetiredSet = new RetiredSet();

  get known(): RetiredSet {
    return this.#known;
  }

  publish(all: readonly Retired[]): void {
    for (const retired of all) {
      if (this.#known.has(retired)) continue;
      for (const listener of [...this.#listeners]) listener(retired);
      // After all have heard: where one could not be told, all hear of it again.
      this.#known.add(retired);
    }
  }

  watch(listener: Listener): () => void {
    const own: Listener = (retired) => listener(retired);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }
}
