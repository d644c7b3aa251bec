/**
 * Keys whose values hold what users handed in, sealed. Only that is: what a store decides by stays
 * in clear, so that no vote, outcome or epoch is ever in doubt for a key that is missing.
 *
 * (!) A value that does not open throws. Taken for absent it would say "abort" of what voted
 * commit; taken for empty it would commit with another payload.
 */
import { Packr } from 'msgpackr';
import type { PayloadCipher } from '../ports/cipher.ts';
import type { Entry, KeyRange, ReadableKeys, WritableKeys } from './key-value.ts';
import { plain } from './plain.ts';

/** By what keys begin with, up to their first slash: the fields that hold users' content. */
export type Contents = Readonly<Record<string, readonly string[]>>;

type Fields = Readonly<Record<string, unknown>>;

export function contentFields(contents: Contents, key: string): readonly string[] | undefined {
  return contents[key.slice(0, key.indexOf('/') + 1)];
}

/** What seals the values of one store. */
export class ValueSealer {
  readonly cipher: PayloadCipher;
  readonly contents: Contents;
  /** Of the store: values cannot be swapped with those of another that has the same keys. */
  readonly #store: string;
  readonly #codec = new Packr(plain);

  constructor(given: {
    readonly cipher: PayloadCipher;
    readonly contents: Contents;
    readonly store: string;
  }) {
    this.cipher = given.cipher;
    this.contents = given.contents;
    this.#store = given.store;
  }

  /** The same value where it has nothing to seal. */
  seal(key: string, value: unknown): unknown {
    const names = contentFields(this.contents, key);
    if (names === undefined) return value;
    const clear: Record<string, unknown> = { ...(value as Fields) };
    const content: Record<string, unknown> = {};
    let isEmpty = true;
    for (const name of names) {
      if (clear[name] === undefined) continue;
      content[name] = clear[name];
      delete clear[name];
      isEmpty = false;
    }
    if (isEmpty) return value;
    clear['sealed'] = this.cipher.seal(this.#codec.pack(content), this.#context(key));
    return clear;
  }

  open(key: string, value: unknown): unknown {
    const bytes = sealedIn(this.contents, key, value);
    if (bytes === undefined) return value;
    const { sealed: _, ...clear } = value as Fields;
    const content: unknown = this.#codec.unpack(this.cipher.open(bytes, this.#context(key)));
    return { ...clear, ...(content as Fields) };
  }

  #context(key: string): string {
    return `${this.#store}\n${key}`;
  }
}

/** The sealed part of a value as it is kept. */
export function sealedIn(contents: Contents, key: string, value: unknown): Uint8Array | undefined {
  if (contentFields(contents, key) === undefined) return undefined;
  return (value as { readonly sealed?: Uint8Array } | null | undefined)?.sealed;
}

export class OpenedKeys implements ReadableKeys {
  readonly #keys: ReadableKeys;
  readonly #sealer: ValueSealer;

  constructor(keys: ReadableKeys, sealer: ValueSealer) {
    this.#keys = keys;
    this.#sealer = sealer;
  }

  get(key: string): unknown {
    return this.#sealer.open(key, this.#keys.get(key));
  }

  range(options: KeyRange & { readonly limit: number }): readonly Entry[] {
    return this.#keys
      .range(options)
      .map(([key, value]) => [key, this.#sealer.open(key, value)] as const);
  }

  last(range: KeyRange): string | null {
    return this.#keys.last(range);
  }
}

export class SealedKeys extends OpenedKeys implements WritableKeys {
  readonly #keys: WritableKeys;
  readonly #sealer: ValueSealer;

  constructor(keys: WritableKeys, sealer: ValueSealer) {
    super(keys, sealer);
    this.#keys = keys;
    this.#sealer = sealer;
  }

  put(key: string, value: unknown): void {
    this.#keys.put(key, this.#sealer.seal(key, value));
  }

  remove(key: string): void {
    this.#keys.remove(key);
  }
}
