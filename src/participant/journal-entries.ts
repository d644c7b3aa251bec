/** Between the branch machine's words and the journal's. */
import type { LocalEvent } from '../core/branch/branch.ts';
import type { OutcomeWriteResult, VoteWriteResult } from '../ports/journal.ts';

export function eventOfVote(result: VoteWriteResult): LocalEvent {
  switch (result.kind) {
    case 'written':
      return { type: 'vote-written' };
    case 'stale-epoch':
      return { type: 'vote-refused', by: 'stale-epoch' };
    case 'refused':
      return { type: 'vote-refused', by: 'entry', entry: result.entry };
  }
}

export function eventOfOutcome(result: OutcomeWriteResult): LocalEvent {
  if (result.kind !== 'contradicted') return { type: 'outcome-written' };
  return { type: 'outcome-contradicted', entry: result.entry };
}
