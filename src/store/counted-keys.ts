import type { Counted } from './group-commit.ts';
import type { Entry, KeyRange, WritableKeys } from './key-value.ts';

/** Keys that count the changes made through them: one transaction, as `GroupCommit` wants it. */
export class CountedKeys implements WritableKeys, Counted {
  readonly #keys: WritableKeys;
  #changes = 0;

  constructor(keys: WritableKeys) {
    this.#keys = keys;
  }

  get changes(): number {
    return this.#changes;
  }

  get(key: string): unknown {
    return this.#keys.get(key);
  }

  range(options: KeyRange & { readonly limit: number }): readonly Entry[] {
    return this.#keys.range(options);
  }

  last(range: KeyRange): string | null {
    return this.#keys.last(range);
  }

  put(key: string, value: unknown): void {
    this.#changes += 1;
    this.#keys.put(key, value);
  }

  remove(key: string): void {
    this.#changes += 1;
    this.#keys.remove(key);
  }
}
