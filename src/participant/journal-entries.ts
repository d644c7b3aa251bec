/** Between the branch machine's words and the journal's. */
import type { BranchIdentity, Found, LocalEffect, LocalEvent } from '../core/branch/branch.ts';
import type { VoteReason } from '../core/messages.ts';
import { type Epoch, epochOf } from '../core/txid.ts';
import type {
  JournalEntry,
  OutcomeWriteResult,
  VoteWrite,
  VoteWriteResult,
} from '../ports/journal.ts';

export function foundOf(entry: JournalEntry): Found;
export function foundOf(entry: JournalEntry | null): Found | null;
export function foundOf(entry: JournalEntry | null): Found | null {
  if (entry === null) return null;
  const { state, epoch, witness, payload, result, reason, forgotten } = entry;
  return {
    state,
    epoch,
    witness,
    payload,
    result,
    // Only reasons of votes are ever written.
    ...(reason === undefined ? {} : { reason: reason as VoteReason }),
    ...(forgotten === undefined ? {} : { forgotten }),
  };
}

export function voteEntry(
  identity: BranchIdentity,
  effect: Extract<LocalEffect, { type: 'write-vote' }>,
  atMs: number,
): VoteWrite {
  const { state, epoch, witness, payload, result } = effect;
  return {
    txid: identity.txid,
    branch: identity.branch,
    state,
    epoch,
    witness,
    atMs,
    ...(payload === undefined ? {} : { payload }),
    ...(result === undefined ? {} : { result }),
  };
}

/** With its epoch, a tombstone may go as soon as a newer one is durably known (8.8). */
export function tombstoneOf(
  identity: BranchIdentity,
  reason: VoteReason | null,
): { readonly epoch: Epoch; readonly reason?: VoteReason } {
  return { epoch: epochOf(identity.txid), ...(reason === null ? {} : { reason }) };
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
