/**
 * What this participant knows of a transaction, for an explanation of it. It only looks: in memory,
 * and in the journal for branches that memory does not know.
 */
import type { LocalBranch, LocalState } from '../core/branch/branch.ts';
import type { Describe, Described, HeldBranchStatus, HeldState } from '../core/messages.ts';
import type { JournalEntry } from '../ports/journal.ts';
import { maxTextBytes } from '../wire/limits.ts';
import { fitText } from '../wire/utf8.ts';
import type { Branches } from './branches.ts';

/** Looked for in the journal, and told. */
const maxBranches = 100;

export async function describe(branches: Branches, message: Describe): Promise<Described> {
  const { txid } = message;
  const known = branches.of(txid).map(({ local, identity }) => heldOf(identity.branch, local));
  const names = new Set(known.map(({ branch }) => branch));
  const told: HeldBranchStatus[] = known.slice(0, maxBranches);
  for (const branch of message.branches) {
    if (told.length >= maxBranches) break;
    if (names.has(branch)) continue;
    names.add(branch);
    try {
      const found = await branches.ports.journal.find({ txid, branch });
      told.push({ branch, state: found === null ? 'unknown' : stateIn(found) });
    } catch {
      // A journal that cannot be read is told of elsewhere, and ends the participant.
    }
  }
  return { type: 'described', txid, branches: told };
}

const states: Readonly<Record<LocalState, HeldState>> = {
  unknown: 'unknown',
  starting: 'working',
  working: 'working',
  orphaned: 'left-over',
  'voted-elsewhere': 'in-doubt',
  kept: 'in-doubt',
  preparing: 'preparing',
  voting: 'voting',
  prepared: 'in-doubt',
  readonly: 'readonly',
  committing: 'committing',
  'recording-commit': 'committing',
  committed: 'committed',
  'rolling-back': 'rolling-back',
  'recording-abort': 'rolling-back',
  'rolled-back': 'rolled-back',
  gone: 'rolled-back',
  forgotten: 'forgotten',
};

function heldOf(branch: string, local: LocalBranch): HeldBranchStatus {
  const state = states[local.state];
  if (local.state !== 'committing' && local.state !== 'rolling-back') return { branch, state };
  const { attempt: attempts, lastError } = local;
  const error = lastError === null ? {} : { error: fitText(lastError, maxTextBytes) };
  return { branch, state, attempts, ...error };
}

function stateIn({ state, forgotten }: JournalEntry): HeldState {
  switch (state) {
    case 'started':
      return 'left-over';
    case 'prepared':
      return 'in-doubt';
    case 'tombstone':
      return forgotten === true ? 'forgotten' : 'rolled-back';
    default:
      return state;
  }
}
