/**
 * The branches of a resource that keeps its data in ordered keys, as functions on one transaction:
 *
 * - `prepared/<txid>/<branch>`: a branch that voted commit, with all that its commit will do;
 * - `applied/<txid>/<branch>`: a branch that was committed, so that a repeat changes nothing.
 */
import type { BranchRef } from '../../ports/resource.ts';
import {
  entriesUnder,
  keyPart,
  prefixRange,
  type ReadableKeys,
  type WritableKeys,
} from '../../system/key-value.ts';

const preparedPrefix = 'prepared/';
const appliedPrefix = 'applied/';

/** Names a branch in keys, and as an owner of locks. */
export function branchText(branch: BranchRef): string {
  return `${branch.txid}/${keyPart(branch.branch)}`;
}

export function getPrepared<Prepared extends BranchRef>(
  keys: ReadableKeys,
  branch: BranchRef,
): Prepared | null {
  return (keys.get(preparedPrefix + branchText(branch)) as Prepared | undefined) ?? null;
}

export function allPrepared<Prepared extends BranchRef>(keys: ReadableKeys): readonly Prepared[] {
  return entriesUnder(keys, preparedPrefix).map(([, value]) => value as Prepared);
}

function isApplied(keys: ReadableKeys, branch: BranchRef): boolean {
  return keys.get(appliedPrefix + branchText(branch)) !== undefined;
}

/** Keeps what the branch's commit will do. */
export function prepare(keys: WritableKeys, branch: BranchRef): void {
  if (isApplied(keys, branch)) {
    throw new Error(`The branch ${branchText(branch)} was committed here; it cannot be prepared.`);
  }
  keys.put(preparedPrefix + branchText(branch), branch);
}

/** A commit was asked for a branch that is neither prepared nor committed: it must never be acknowledged. */
export class UnknownBranchError extends Error {
  override readonly name = 'UnknownBranchError';
}

/** What the branch does, the end of the prepared branch and the note that it was applied: one atomic step. */
export function commit<Prepared extends BranchRef>(
  keys: WritableKeys,
  branch: BranchRef,
  how: { readonly atMs: number; readonly apply: (prepared: Prepared) => void },
): void {
  const text = branchText(branch);
  const prepared = getPrepared<Prepared>(keys, branch);
  if (prepared === null) {
    if (isApplied(keys, branch)) return;
    throw new UnknownBranchError(
      `The branch ${text} is neither prepared nor committed here. Look at the store's backup and at the transaction: npx verdict tx show ${branch.txid}`,
    );
  }
  how.apply(prepared);
  keys.remove(preparedPrefix + text);
  keys.put(appliedPrefix + text, how.atMs);
}

/** Nothing held, nothing done. */
export function rollback(keys: WritableKeys, branch: BranchRef): void {
  assertNotApplied(keys, branch);
  keys.remove(preparedPrefix + branchText(branch));
}

export function assertNotApplied(keys: ReadableKeys, branch: BranchRef): void {
  if (!isApplied(keys, branch)) return;
  throw new Error(`The branch ${branchText(branch)} was committed here; it cannot be rolled back.`);
}

/**
 * One bounded step through the applied notes, from where the last one ended: removes those made before
 * `beforeMs`. Returns where to go on; null at the end.
 */
export function sweepApplied(
  keys: WritableKeys,
  options: { readonly after: string | null; readonly beforeMs: number; readonly limit: number },
): string | null {
  const { after, beforeMs, limit } = options;
  const range = prefixRange(appliedPrefix, after ?? undefined);
  const page = keys.range({ ...range, limit });
  for (const [key, atMs] of page) if ((atMs as number) < beforeMs) keys.remove(key);
  return page.length < limit ? null : (page.at(-1)?.[0] ?? null);
}
