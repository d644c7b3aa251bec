/**
 * An upper bound of a decision record's size, kept as branches are added, and looked at before each
 * prepare.
 *
 * What is not known when a transaction is begun is which instance each branch will belong to, and
 * what resource that one shares: until then the longest that is connected counts, or a guess. The
 * interleaving that matters: a transaction is begun while a participant is away, and the one that
 * comes has longer names than were guessed. Whatever voted would then be handed to the log with a
 * record that it does not take. So the bound is made anew when someone comes, and is exact once
 * every prepare was sent.
 */
import { type AbortReason, abortReason } from '../../catalogue.ts';
import { lockNameParts } from '../../locks/names.ts';
import type { LockWant } from '../../locks/table.ts';
import type { Transaction } from '../../transaction.ts';
import { utf8Bytes } from '../../utf8.ts';
import type { Branch, BranchOwner } from '../branch.ts';
import type { Refusal } from '../events.ts';
import type { TermState } from '../state.ts';

const perRecord = 192;
const perBranch = 48;
/** Of one that belongs to a shared resource. */
const perSharedResource = 24;
const perLock = 4;
/** The names of the fields, and two lists' heads. */
const perLocks = 48;
/** Before a participant has connected, its instance's length is a guess. */
const instanceGuess = 40;

export function emptyRecordBytes(requestId: string | null): number {
  return perRecord + (requestId === null ? 0 : 2 * utf8Bytes(requestId) + 64);
}

/** Who a branch belongs to, as far as a record names it. */
type Owner = Pick<BranchOwner, 'instance' | 'sharedResource'>;

export function ownerBytes({ instance, sharedResource }: Owner): number {
  const shared = sharedResource === null ? 0 : perSharedResource + utf8Bytes(sharedResource);
  return utf8Bytes(instance) + shared;
}

/** `owner`: null where it will belong to the instance that gets its prepare. */
export function branchBytes(
  state: TermState,
  branch: { readonly branch: string; readonly participant: string },
  owner: Owner | null,
): number {
  const names = perBranch + utf8Bytes(branch.branch) + utf8Bytes(branch.participant);
  if (owner !== null) return names + ownerBytes(owner);
  return names + Math.max(state.connected.longestOwner(branch.participant), instanceGuess);
}

/** Counts the branch again, by what is known of it now. */
export function measure(state: TermState, branch: Branch): void {
  const { instance, sharedResource } = branch;
  const owner = instance === null ? null : { instance, sharedResource };
  const bytes = branchBytes(state, branch, owner);
  branch.transaction.recordBytes += bytes - branch.recordBytes;
  branch.recordBytes = bytes;
}

/** Why there may not be so many branches, or so many bytes of a record; null where there may. */
export function beyondBranches(state: TermState, count: number, bytes: number): Refusal | null {
  const { maxBranches } = state.config.options;
  if (count > maxBranches) {
    return {
      code: 'LIMIT_EXCEEDED',
      message: `A transaction has at most ${maxBranches} branches.`,
    };
  }
  return beyondRecord(state, bytes, 'use fewer branches or shorter names');
}

export function beyondRecord(
  state: TermState,
  bytes: number,
  advice: string,
): { readonly code: 'TOO_LARGE'; readonly message: string } | null {
  const { maxRecordBytes } = state.config.options;
  if (bytes <= maxRecordBytes) return null;
  const message = `The decision record would pass ${maxRecordBytes} bytes: ${advice}.`;
  return { code: 'TOO_LARGE', message };
}

/** Why the transaction cannot be committed, where its record would be too large. */
export function tooLarge(state: TermState, { recordBytes }: Transaction): AbortReason | null {
  const advice = 'use fewer branches, shorter names, or a shorter name of the shared resource';
  const problem = beyondRecord(state, recordBytes, advice);
  return problem === null ? null : abortReason(problem.code, problem);
}

export function lockBytes(wants: readonly LockWant[]): number {
  if (wants.length === 0) return 0;
  const group = utf8Bytes(lockNameParts(wants[0]?.key ?? '').group);
  return wants.reduce(
    (bytes, { key }) => bytes + perLock + utf8Bytes(lockNameParts(key).key),
    perLocks + group,
  );
}
