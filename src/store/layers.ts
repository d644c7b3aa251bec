/**
 * Keys in layers: what was changed lately lies over what the store below holds. A layer says of a
 * key what it holds now, or that it was removed.
 */
import type { Packr } from 'msgpackr';
import type { Entry, KeyRange, ReadableKeys, WritableKeys } from './key-value.ts';
import type { Change } from './log-record.ts';

export class Layer {
  readonly #values = new Map<string, Uint8Array | null>();
  /** In order, made when a range is read: most layers are looked into by key alone. */
  #ordered: readonly string[] | null = null;

  get size(): number {
    return this.#values.size;
  }

  /** null: removed. undefined: what lies below knows. */
  get(key: string): Uint8Array | null | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: Uint8Array | null): void {
    const { size } = this.#values;
    this.#values.set(key, value);
    if (this.#values.size !== size) this.#ordered = null;
  }

  /** For long. Copied: a packed value lies in a buffer that others fill, maybe with megabytes. */
  keep(key: string, value: Uint8Array | null): void {
    this.set(key, value && new Uint8Array(value));
  }

  all(): readonly Change[] {
    return [...this.#values];
  }

  /** Those of the range, in order. */
  keys({ start, end }: KeyRange): readonly string[] {
    this.#ordered ??= [...this.#values.keys()].sort(inStoreOrder);
    return this.#ordered.slice(firstFrom(this.#ordered, start), firstFrom(this.#ordered, end));
  }
}

/** `layers` from the newest on, over `below`. */
export class LayeredKeys implements ReadableKeys {
  protected readonly codec: Packr;
  readonly #layers: readonly Layer[];
  readonly #below: ReadableKeys;

  constructor(options: {
    readonly layers: readonly Layer[];
    readonly below: ReadableKeys;
    readonly codec: Packr;
  }) {
    this.codec = options.codec;
    this.#layers = options.layers;
    this.#below = options.below;
  }

  get(key: string): unknown {
    const value = this.#layered(key);
    if (value === undefined) return this.#below.get(key);
    return value === null ? undefined : this.codec.unpack(value);
  }

  range(options: KeyRange & { readonly limit: number }): readonly Entry[] {
    const layered = new Set(this.#layers.flatMap((layer) => layer.keys(options)));
    const { limit } = options;
    // As many more as the layers may hide.
    const below = this.#below.range({ ...options, limit: limit + layered.size });
    if (layered.size === 0) return below;
    const entries = below.filter(([key]) => !layered.has(key));
    for (const key of layered) {
      const value = this.#layered(key);
      if (value) entries.push([key, this.codec.unpack(value)]);
    }
    return entries.sort(([one], [other]) => inStoreOrder(one, other)).slice(0, limit);
  }

  last({ start, end }: KeyRange): string | null {
    const live = this.#layers
      .flatMap((layer) => layer.keys({ start, end }))
      .filter((key) => this.#layered(key) !== null);
    for (let before = end; ; ) {
      const key = this.#below.last({ start, end: before });
      if (key === null || this.#layered(key) !== null) {
        const all = key === null ? live : [...live, key];
        return all.sort(inStoreOrder).at(-1) ?? null;
      }
      before = key;
    }
  }

  #layered(key: string): Uint8Array | null | undefined {
    for (const layer of this.#layers) {
      const value = layer.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  }
}

/** The changes of one transaction, in a layer of their own. */
export class ChangingKeys extends LayeredKeys implements WritableKeys {
  readonly changes: Layer;

  constructor(options: {
    readonly layers: readonly Layer[];
    readonly below: ReadableKeys;
    readonly codec: Packr;
  }) {
    const changes = new Layer();
    super({ ...options, layers: [changes, ...options.layers] });
    this.changes = changes;
  }

  put(key: string, value: unknown): void {
    this.changes.set(key, this.codec.pack(value));
  }

  remove(key: string): void {
    this.changes.set(key, null);
  }
}

/** By their bytes in UTF-8, as LMDB compares them: surrogates stand for what comes last. */
function inStoreOrder(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at += 1) {
    const a = one.charCodeAt(at);
    const b = other.charCodeAt(at);
    if (a !== b) return rank(a) - rank(b);
  }
  return one.length - other.length;
}

function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x1_0000 : unit;
}

/** The index of the first key that is not below `key`. */
function firstFrom(ordered: readonly string[], key: string): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (inStoreOrder(ordered[middle] as string, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
