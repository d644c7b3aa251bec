/**
 * The branches of a resource that keeps its data in ordered keys, as functions on one transaction:
 *
 * - `prepared/<txid>/<branch>`: a branch that voted commit, with all that its commit will do, and the instance that voted;
 * - `applied/<txid>/<branch>`: a branch that was committed, so that a repeat changes nothing.
 *
 * A journal may be lost where the store beside it is not: what an earlier instance voted for is then ended by nothing but the
 * decision (!). The new instance knows of no vote, and would take it for work that never came so far.
 */
import { BranchEndedError, type BranchRef, type EndCall } from '../ports/resource.ts';
import {
  entriesUnder,
  keyPart,
  prefixRange,
  type ReadableKeys,
  type WritableKeys,
} from '../store/key-value.ts';

const preparedPrefix = 'prepared/';
const appliedPrefix = 'applied/';

/** As every prepared branch is kept. */
export interface PreparedBy extends BranchRef {
  /** Whose journal has the vote. */
  readonly instance?: string;
}

export type BranchEnd = Pick<EndCall<unknown>, 'txid' | 'branch' | 'instance' | 'takenOver'>;

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

interface Applied {
  readonly atMs: number;
  /** Another instance had voted. */
  readonly takenOver: boolean;
}

function getApplied(keys: ReadableKeys, branch: BranchRef): Applied | null {
  return (keys.get(appliedPrefix + branchText(branch)) as Applied | undefined) ?? null;
}

/** Keeps what the branch's commit will do. */
export function prepare(keys: WritableKeys, branch: PreparedBy): void {
  const text = branchText(branch);
  if (getApplied(keys, branch) !== null) {
    throw new Error(`The branch ${text} was committed here; it cannot be prepared.`);
  }
  const before = getPrepared<PreparedBy>(keys, branch);
  if (before !== null) assertOwn(before, branch);
  keys.put(preparedPrefix + text, branch);
}

/** A vote is its instance's own: nobody repeats it for another. */
export function assertOwn(before: PreparedBy, { instance }: Pick<PreparedBy, 'instance'>): void {
  if (before.instance === instance) return;
  throw new Error(`The branch ${branchText(before)} was prepared here under another journal.`);
}

/** What the branch does, the end of the prepared branch and the note that it was applied: one atomic step. */
export function commit<Prepared extends BranchRef>(
  keys: WritableKeys,
  { takenOver = false, ...branch }: BranchEnd,
  how: { readonly atMs: number; readonly apply: (prepared: Prepared) => void },
): void {
  const text = branchText(branch);
  const prepared = getPrepared<Prepared>(keys, branch);
  if (prepared === null) {
    if (getApplied(keys, branch) !== null) return;
    // It must never be acknowledged.
    throw new BranchEndedError(
      'nothing',
      `The branch ${text} is neither prepared nor committed here. Look at the store's backup and at the transaction: npx verdict tx show ${branch.txid}`,
    );
  }
  how.apply(prepared);
  keys.remove(preparedPrefix + text);
  keys.put(appliedPrefix + text, { atMs: how.atMs, takenOver } satisfies Applied);
}

/** Nothing held, nothing done; and nothing that another instance holds, unless it was decided so. */
export function rollback(keys: WritableKeys, branch: BranchEnd): void {
  if (isToRollBack(keys, branch)) keys.remove(preparedPrefix + branchText(branch));
}

/** Whether there is something to do. Throws where it was committed. */
export function isToRollBack(keys: ReadableKeys, branch: BranchEnd): boolean {
  const applied = getApplied(keys, branch);
  if (applied !== null) {
    throw new BranchEndedError(
      applied.takenOver ? 'committed-by-sibling' : 'committed',
      `The branch ${branchText(branch)} was committed here; it cannot be rolled back.`,
    );
  }
  const prepared = getPrepared<PreparedBy>(keys, branch);
  return prepared !== null && (branch.takenOver === true || prepared.instance === branch.instance);
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
  for (const [key, value] of page) if ((value as Applied).atMs < beforeMs) keys.remove(key);
  return page.length < limit ? null : (page.at(-1)?.[0] ?? null);
}
