/** Ordered keys with values, read and written synchronously inside one transaction. */
export interface ReadableKeys {
  get(key: string): unknown;
  /** In key order, `limit` at most. */
  range(options: KeyRange & { readonly limit: number }): readonly Entry[];
  /** Null where the range has none. */
  last(range: KeyRange): string | null;
}

/** `start` <= key < `end`. */
export interface KeyRange {
  readonly start: string;
  readonly end: string;
}

export type Entry = readonly [key: string, value: unknown];

export interface WritableKeys extends ReadableKeys {
  put(key: string, value: unknown): void;
  remove(key: string): void;
}

/** LMDB refuses keys of more than 1,978 bytes; the longest made here is far below. */
const maxKeyBytes = 1_900;

/** Throws where the key is too long for some store: to be called before a transaction begins. */
export function assertKeyFits(key: string): string {
  if (key.length * 3 > maxKeyBytes && Buffer.byteLength(key) > maxKeyBytes) {
    throw new RangeError(`The key ${key.slice(0, 60)}… is longer than ${maxKeyBytes} bytes.`);
  }
  return key;
}

/**
 * Any text as a part of a key, different for different texts. Escaped as JSON it has no control
 * characters and an end. Throws for a lone surrogate: in UTF-8 two such strings would become one.
 */
export function keyPart(text: string): string {
  if (!text.isWellFormed()) {
    throw new RangeError(`The id ${JSON.stringify(text)} is not well-formed Unicode text.`);
  }
  return JSON.stringify(text);
}

/** All keys that begin with `prefix`, which ends in a slash; behind `after`, one of them. */
export function prefixRange(prefix: string, after?: string): KeyRange {
  return {
    // The least string above `after`: keys hold no character below the space.
    start: after === undefined ? prefix : `${after} `,
    // '0' follows '/' in the order of characters.
    end: `${prefix.slice(0, -1)}0`,
  };
}

const pageSize = 1_000;

/** Every entry whose key begins with `prefix`, which ends in a slash; read in pages. */
export function entriesUnder(keys: ReadableKeys, prefix: string): Entry[] {
  const found: Entry[] = [];
  for (;;) {
    const range = prefixRange(prefix, found.at(-1)?.[0]);
    const page = keys.range({ ...range, limit: pageSize });
    found.push(...page);
    if (page.length < pageSize) return found;
  }
}
