/** Between the branch machine's words and the journal's. */
import type { Found, LocalEvent } from '../core/branch/branch.ts';
import type { JournalEntry, OutcomeWriteResult, VoteWriteResult } from '../ports/journal.ts';

/** Only reasons of votes are ever written. */
export function foundOf<Entry extends JournalEntry | null>(
  entry: Entry,
): Found | Extract<Entry, null> {
  return entry as Found | Extract<Entry, null>;
}

export function eventOfVote(result: VoteWriteResult): LocalEvent {
  switch (result.kind) {
    case 'written':
      return { type: 'vote-written' };
    case 'stale-epoch':
      return { type: 'vote-refused', by: 'stale-epoch' };
    case 'refused':
      return { type: 'vote-refused', by: 'entry', entry: foundOf(result.entry) };
  }
}

export function eventOfOutcome(result: OutcomeWriteResult): LocalEvent {
  if (result.kind !== 'contradicted') return { type: 'outcome-written' };
  return { type: 'outcome-contradicted', entry: foundOf(result.entry) };
}
