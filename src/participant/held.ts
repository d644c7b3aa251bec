/** What a store lists as prepared. */
import { branchId } from '../core/names.ts';
import type { BranchRef, HeldBranch, Resource } from '../ports/resource.ts';
import type { ParticipantContext } from './context.ts';

/** In one message. */
export const maxNamed = 10;

/** It can say of each branch that it holds, and whose it is. */
export function keepsVotes({ keepsVotes: keeps, identity, inDoubt }: Resource): boolean {
  return keeps === true && identity !== undefined && inDoubt !== undefined;
}

export function someOf<Branch extends HeldBranch>(
  branches: readonly Branch[],
): Pick<Branch, 'txid' | 'branch'>[] {
  return branches.slice(0, maxNamed).map(({ txid, branch }) => ({ txid, branch }));
}

/**
 * What a store holds prepared without a vote in the journal is rolled back: a prepare was cut
 * short. A lost journal with the store kept looks the same, so it is logged.
 */
export function tellUnvoted(
  held: readonly HeldBranch[],
  entries: readonly BranchRef[],
  {
    participant,
    logger,
    resource,
  }: Pick<ParticipantContext, 'participant' | 'logger' | 'resource'>,
): void {
  const known = new Set(entries.map(branchId));
  const unvoted = held.filter((one) => one.mine !== false && !known.has(branchId(one)));
  if (unvoted.length === 0) return;
  if (keepsVotes(resource)) {
    logger.info(
      { participant, count: unvoted.length, branches: someOf(unvoted) },
      'branches that the store holds prepared have no vote in the journal: they are asked about, and end as it was decided',
    );
    return;
  }
  logger.warn(
    { participant, count: unvoted.length, branches: someOf(unvoted) },
    'branches that the store holds prepared have no vote in the journal, and are rolled back, as after a process that ended in its prepare. Where the journal was lost, look what the others did: npx verdict tx show TXID',
  );
}
