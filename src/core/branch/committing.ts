/** The branch machine from the decision `commit` on; see `branch.ts`. */

import { acknowledge, everyAsker, failed, forgetAsker, pause, retry, withAsker } from './askers.ts';
import {
  adopt,
  alarm,
  beginCommit,
  contradicted,
  reasons,
  refuseEnlist,
  refuseRollback,
  repeatVote,
  settled,
  voteAbort,
} from './effects.ts';
import { atRest, identity, type Next, type Row, stay } from './row.ts';
import type { LocalBranch, LocalBranchOf, TakenOver } from './types.ts';

export const committing: Row<'committing'> = {
  ...atRest,
  prepare: repeatVote,
  // During the pause the last error is the answer, so that the leader counts the attempt; it hears
  // of the success when that comes.
  commit: (branch, { connection }) => ({
    branch:
      branch.lastError === null
        ? { ...branch, owed: withAsker(branch.owed, connection) }
        : { ...branch, told: withAsker(branch.told, connection) },
    effects:
      branch.lastError === null ? [] : failed(branch, [connection], 'commit', branch.lastError),
  }),
  rollback: (branch, { connection }) => refuseRollback(branch, connection),
  // Said after another process of the shared resource acknowledged; said again on the next report.
  forget: stay,
  answer: refuseAbortAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'retry-due': (branch) => retry(branch, 'call-commit'),
  'application-failed': (branch, { message, found }) =>
    branch.takenOver !== null && found === 'nothing'
      ? nothingToCommit(branch, branch.takenOver)
      : pause(branch, 'commit', message),
  'application-committed': (branch, { leader = null }) => {
    // The store's record outlives every repeat; the rest is in the journal of whoever voted.
    if (branch.takenOver !== null) {
      const { answered = false } = branch.takenOver;
      const askers = everyAsker(branch);
      const told = answered && leader !== null ? withAsker(askers, leader) : askers;
      return settled(branch, acknowledge(branch, told, 'commit'));
    }
    const { owed, told, result } = branch;
    return {
      branch: { ...identity(branch), state: 'recording-commit', owed, told, result },
      effects: [{ type: 'write-committed' }],
    };
  },
};

export const recordingCommit: Row<'recording-commit'> = {
  ...atRest,
  prepare: repeatVote,
  commit: (branch, { connection }) => ({
    branch: { ...branch, owed: withAsker(branch.owed, connection) },
    effects: [],
  }),
  rollback: (branch, { connection }) => refuseRollback(branch, connection),
  forget: stay,
  answer: refuseAbortAnswer,
  enlisted: refuseEnlist,
  'connection-lost': forgetAsker,
  held: stay,
  journal: stay,
  'outcome-written': (branch) => {
    const { result } = branch;
    return {
      branch: { ...identity(branch), state: 'committed', result },
      effects: acknowledge(branch, everyAsker(branch), 'commit'),
    };
  },
  // The application has committed what the journal says was rolled back, or was forgotten by way of
  // another process of the shared resource. Nothing is undone and nothing is acknowledged.
  'outcome-contradicted': (branch, { entry }, context) => {
    const next = adopt(branch, entry, context);
    const message = `The application committed a branch of which the journal says ${next.branch.state}.`;
    return {
      ...next,
      effects: [
        ...next.effects,
        ...acknowledge(branch, everyAsker(branch), 'commit', { code: 'UNKNOWN_BRANCH', message }),
        alarm('contradicting-journal', message),
      ],
    };
  },
};

export const committed: Row<'committed'> = {
  ...atRest,
  prepare: repeatVote,
  commit: (branch, { connection }) => ({
    branch,
    effects: acknowledge(branch, [connection], 'commit'),
  }),
  rollback: (branch, { connection }) => refuseRollback(branch, connection),
  forget: (branch) => ({
    branch: { ...identity(branch), state: 'forgotten' },
    effects: [{ type: 'write-forget' }],
  }),
  answer: refuseAbortAnswer,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  // It lost what it had reported as done; commit is idempotent, and no one is told anything new.
  held: (branch) => beginCommit(branch, { payload: undefined, result: branch.result, owed: [] }),
  journal: (branch, { found }, context) =>
    found?.state === 'tombstone' ? adopt(branch, found, context) : stay(branch),
};

export const forgotten: Row<'forgotten'> = {
  ...atRest,
  // Whatever is still unread in some buffer comes too late to run again.
  prepare: (branch, { connection }) => voteAbort(branch, connection, reasons.rolledBack),
  // A repeat delayed past the forget, or of a leader that was succeeded: it was done, durably.
  commit: (branch, { connection }) => ({
    branch,
    effects: acknowledge(branch, [connection], 'commit'),
  }),
  rollback: (branch, { connection }) => refuseRollback(branch, connection),
  forget: stay,
  // The record may be collected by now, and a late answer to an earlier doubt then says `abort`.
  answer: stay,
  enlisted: refuseEnlist,
  'connection-lost': stay,
  // It lost what it had reported as done; as in `committed`.
  held: (branch) => beginCommit(branch, { payload: undefined, result: undefined, owed: [] }),
  journal: stay,
};

/** 8.6. An answer does not contradict it: the instance that voted was told to forget by then. */
function nothingToCommit(branch: LocalBranchOf<'committing'>, { quiet }: TakenOver): Next {
  const askers = everyAsker(branch);
  const message =
    'A commit came for a branch that is neither prepared nor committed: not here, and not in the store.';
  return settled(branch, [
    ...acknowledge(branch, askers, 'commit', { code: 'UNKNOWN_BRANCH', message }),
    ...(askers.length === 0 || quiet ? [] : [alarm('commit-of-unknown', message)]),
  ]);
}

function refuseAbortAnswer(branch: LocalBranch, event: { readonly decision: string }): Next {
  return event.decision === 'abort' ? contradicted(branch, event.decision) : stay(branch);
}
