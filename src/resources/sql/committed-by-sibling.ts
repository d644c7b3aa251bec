/** What a rollback finds where the branch's row has the note of a sibling (PROTOCOL, 8.7). */
import { BranchEndedError, type BranchRef } from '../../ports/resource.ts';

export function committedBySibling({ txid, branch }: BranchRef): BranchEndedError {
  return new BranchEndedError(
    'committed-by-sibling',
    `The branch ${branch} of ${txid} is to be rolled back, and another instance of this participant has committed it on a leader's command. Nothing was undone.`,
  );
}
