import type { Entry, KeyRange, WritableKeys } from './key-value.ts';

/**
 * `WritableKeys` in memory: a map, and its keys in order. Insertions are nearly always at the end,
 * for ids rise, and removals at the start: there an array is as good as a tree.
 */
export class MemoryKeys implements WritableKeys {
  readonly #values = new Map<string, unknown>();
  readonly #ordered: string[] = [];

  get size(): number {
    return this.#values.size;
  }

  get(key: string): unknown {
    return this.#values.get(key);
  }

  put(key: string, value: unknown): void {
    if (!this.#values.has(key)) this.#ordered.splice(this.#position(key), 0, key);
    this.#values.set(key, value);
  }

  remove(key: string): void {
    if (this.#values.delete(key)) this.#ordered.splice(this.#position(key), 1);
  }

  range(options: KeyRange & { readonly limit: number }): readonly Entry[] {
    const found: Entry[] = [];
    let index = this.#position(options.start);
    while (index < this.#ordered.length && found.length < options.limit) {
      const key = this.#ordered[index] as string;
      if (key >= options.end) break;
      found.push([key, this.#values.get(key)]);
      index += 1;
    }
    return found;
  }

  last(options: KeyRange): string | null {
    const key = this.#ordered[this.#position(options.end) - 1];
    return key === undefined || key < options.start ? null : key;
  }

  /** The index of the first key that is not below `key`. */
  #position(key: string): number {
    let low = 0;
    let high = this.#ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ordered[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
