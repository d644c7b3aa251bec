import type { Entry, KeyRange, ReadableKeys } from './key-value.ts';
import { type Contents, sealedIn } from './sealed-keys.ts';

/** Keys of which only what is in clear is read: for who has no keys to open the rest. */
export class ClearKeys implements ReadableKeys {
  readonly #keys: ReadableKeys;
  readonly #contents: Contents;

  constructor(keys: ReadableKeys, contents: Contents) {
    this.#keys = keys;
    this.#contents = contents;
  }

  get(key: string): unknown {
    return this.#clear(key, this.#keys.get(key));
  }

  range(options: KeyRange & { readonly limit: number }): readonly Entry[] {
    return this.#keys.range(options).map(([key, value]) => [key, this.#clear(key, value)] as const);
  }

  last(range: KeyRange): string | null {
    return this.#keys.last(range);
  }

  #clear(key: string, value: unknown): unknown {
    if (sealedIn(this.#contents, key, value) === undefined) return value;
    const { sealed: _, ...clear } = value as Readonly<Record<string, unknown>>;
    return clear;
  }
}
