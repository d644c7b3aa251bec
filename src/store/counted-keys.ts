import type { Counted } from './group-commit.ts';
import type { WritableKeys } from './key-value.ts';

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

  range(options: {
    readonly start: string;
    readonly end: string;
    readonly limit: number;
  }): readonly (readonly [string, unknown])[] {
    return this.#keys.range(options);
  }

  last(options: { readonly start: string; readonly end: string }): string | null {
    return this.#keys.last(options);
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
