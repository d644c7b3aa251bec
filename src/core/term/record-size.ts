/** An upper bound of a decision record's size, kept as branches are added: checked before the first prepare. */
import { lockNameParts } from '../locks/names.ts';
import type { LockWant } from '../locks/table.ts';
import { utf8Bytes } from '../utf8.ts';
import type { TermState } from './state.ts';

const perRecord = 192;
const perBranch = 48;
const perLock = 4;
/** The names of the fields, and two lists' heads. */
const perLocks = 48;
/** Before a participant has connected, its instance's length is a guess. */
const instanceGuess = 40;

export function emptyRecordBytes(requestId: string | null): number {
  return perRecord + (requestId === null ? 0 : 2 * utf8Bytes(requestId) + 64);
}

export function branchBytes(
  state: TermState,
  branch: { readonly branch: string; readonly participant: string },
): number {
  const instance = Math.max(state.connected.longestInstance(branch.participant) * 3, instanceGuess);
  return perBranch + utf8Bytes(branch.branch) + utf8Bytes(branch.participant) + instance;
}

export function lockBytes(wants: readonly LockWant[]): number {
  if (wants.length === 0) return 0;
  const group = utf8Bytes(lockNameParts(wants[0]?.key ?? '').group);
  return wants.reduce(
    (bytes, { key }) => bytes + perLock + utf8Bytes(lockNameParts(key).key),
    perLocks + group,
  );
}
