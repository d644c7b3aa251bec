/** An upper bound of a decision record's size, kept as branches are added: checked before the first prepare. */
import { utf8Bytes } from '../utf8.ts';
import type { TermState } from './state.ts';

const perRecord = 192;
const perBranch = 48;
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
