/**
 * What a store holds prepared without a vote in the journal is rolled back: a prepare was cut short. It looks the same where the journal was
 * lost and the store kept, and the store does not say whose journal had the vote; so it is told.
 */
import type { JournalEntry } from '../ports/journal.ts';
import type { Logger } from '../ports/logger.ts';
import type { BranchRef, HeldBranch } from '../ports/resource.ts';

const maxNamed = 10;

export function tellUnvoted(
  held: readonly HeldBranch[],
  {
    entries,
    participant,
    logger,
  }: {
    readonly entries: readonly JournalEntry[];
    readonly participant: string;
    readonly logger: Logger;
  },
): void {
  const known = new Set(entries.map(keyOf));
  const unvoted = held.filter((one) => one.mine !== false && !known.has(keyOf(one)));
  if (unvoted.length === 0) return;
  const branches = unvoted.slice(0, maxNamed).map(({ txid, branch }) => ({ txid, branch }));
  logger.warn(
    { participant, count: unvoted.length, branches },
    'branches that the store holds prepared have no vote in the journal, and are rolled back, as after a process that ended in its prepare. Where the journal was lost, look what the others did: npx verdict tx show TXID',
  );
}

function keyOf({ txid, branch }: BranchRef | HeldBranch): string {
  return `${txid} ${branch}`;
}
