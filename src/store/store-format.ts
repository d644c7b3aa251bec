import type { ReadableKeys } from './key-value.ts';

export const metaKey = 'meta';

/** What every store says about itself, whatever else it adds. */
export interface StoreHeader {
  readonly kind: string;
  readonly formatVersion: number;
}

/** Of a store that may hold sealed content: programs that know nothing of it must keep off. */
export function sealedHeader<Header extends StoreHeader>(header: Header): Header {
  return { ...header, formatVersion: header.formatVersion + 1 };
}

/** The store is of another kind, of a newer format, or broken. The text says what to do. */
export class StoreFormatError extends Error {
  override readonly name = 'StoreFormatError';
}

/** Null where the store is empty. Throws where this program must not touch it. */
export function readHeader(
  keys: ReadableKeys,
  expected: StoreHeader,
): Readonly<Record<string, unknown>> | null {
  let value: unknown;
  try {
    value = keys.get(metaKey);
  } catch (error) {
    throw unreadable(expected, error);
  }
  if (value === undefined) {
    // Something is there, but it does not say what: it is not ours.
    if (keys.range({ start: ' ', end: '~', limit: 1 }).length > 0) throw unreadable(expected);
    return null;
  }
  if (typeof value !== 'object' || value === null) throw unreadable(expected);
  const header = value as Partial<StoreHeader>;
  const { kind, formatVersion } = header;
  if (kind !== expected.kind || formatVersion === undefined || !Number.isInteger(formatVersion)) {
    throw unreadable(expected);
  }
  if (formatVersion > expected.formatVersion) {
    throw new StoreFormatError(
      `The ${expected.kind} has format ${formatVersion}; this program reads up to ${expected.formatVersion}. Start the newer program that wrote it.`,
    );
  }
  if (formatVersion < 1) throw unreadable(expected);
  return header as Readonly<Record<string, unknown>>;
}

export function unreadable(expected: StoreHeader, cause?: unknown): StoreFormatError {
  return new StoreFormatError(
    `The directory holds a store that is not a ${expected.kind}, or a broken one. Give another directory, or restore this one from a backup.`,
    { cause },
  );
}
