import type { Random } from '../ports/random.ts';
import type { WritableKeys } from '../store/key-value.ts';
import { metaKey, readHeader, sealedHeader, unreadable } from '../store/store-format.ts';
import { journalHeader } from './journal-rules.ts';

const instanceDigits = 20;

/** The store's instance id, kept in it: it names the durable memory, not a process. */
export function agreeOnInstance(
  keys: WritableKeys,
  random: Random,
  how: { readonly sealed: boolean } = { sealed: false },
): string {
  const header = readHeader(keys, sealedHeader(journalHeader));
  const instance = header === null ? random.token(instanceDigits) : header['instance'];
  if (typeof instance !== 'string' || instance === '') throw unreadable(journalHeader);
  // Written at every start: a first write, whose flush covers the whole file (src/store/lmdb.ts).
  keys.put(metaKey, { ...(how.sealed ? sealedHeader(journalHeader) : journalHeader), instance });
  return instance;
}
