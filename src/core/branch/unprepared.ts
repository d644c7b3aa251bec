/** The branch machine before the application's prepare runs; see `branch.ts`. */

import { epochOf } from '../txid.ts';
import { forgetVoterAndAsker, withAsker } from './askers.ts';
import {
  adopt,
  beginPrepare,
  beginRollback,
  commitElsewhere,
  contradicted,
  keptVote,
  orphan,
  reasons,
  recordAbort,
  refuseCommit,
  refuseCommitAnswer,
  refuseEnlist,
  replayPrepare,
  replayRollbacks,
  rollbackElsewhere,
  sendVote,
  stillInDoubt,
  voteAbort,
  votedElsewhere,
} from './effects.ts';
import { atRest, before, identity, type Next, type Row, stay, stopTimer } from './row.ts';
import type {
  BranchContext,
  ConnectionId,
  Found,
  LocalBranch,
  LocalBranchOf,
  PrepareData,
} from './types.ts';

export const unknown: Row<'unknown'> = {
  ...atRest,
  prepare: (branch, { connection, prepare }, context) => {
    // I7, before the application works for nothing; the journal checks again when it persists. A
    // zombie is answered rather than ignored: an abort vote promises nothing, and frees its client.
    if (prepare.epoch < context.knownEpoch) {
      return voteAbort(branch, connection, reasons.staleEpoch);
    }
    if (!context.recordsStart) return beginPrepare(branch, prepare, connection);
    return begin(branch, { enlisting: false, prepare, voter: connection });
  },
  commit: (branch, { connection, epoch }, { siblings, knownEpoch }) =>
    siblings
      ? commitElsewhere(branch, [connection], { quiet: epoch < knownEpoch })
      : refuseCommit(branch, connection),
  // A prepare that is still under way must find that it comes too late.
  rollback: (branch, { connection }, { siblings }) =>
    siblings
      ? rollbackElsewhere(branch, [connection])
      : recordAbort(branch, { owed: [connection], reason: null }),
  forget: stay,
  answer: stay,
  enlisted: (branch, _event, context) => {
    if (epochOf(branch.txid) < context.knownEpoch) {
      return { branch, effects: [{ type: 'enlist-settled', refusal: reasons.staleEpoch.message }] };
    }
    if (!context.recordsStart) return work(branch);
    return begin(branch, { enlisting: true, prepare: null, voter: null });
  },
  'connection-lost': stay,
  // Its vote was never written, so it was never sent, so no commit is possible: rolled back alone.
  // Not where the journal is shared, as another process may be writing that vote, nor a sibling's,
  // nor where a vote may be sent before it is written (!): see `kept`.
  held: (branch, { mine, witness = null }, context) => {
    if (!mine && context.siblings) return votedElsewhere(branch);
    if (context.shared) return orphan(branch, { witness: null, recorded: false });
    if (context.keepsVotes) return keptVote(branch, witness);
    return beginRollback(branch, { reason: reasons.notPrepared });
  },
  journal: (branch, { found }, context) => adopt(branch, found, context),
};

export const starting: Row<'starting'> = {
  ...atRest,
  prepare: (branch, { connection, prepare }) => ({
    branch: { ...branch, prepare, voter: connection },
    effects: [],
  }),
  commit: (branch, { connection }) => refuseCommit(branch, connection),
  rollback: (branch, { connection }) => ({
    branch: { ...branch, rollback: true, owed: withAsker(branch.owed, connection) },
    effects: [],
  }),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: (branch) => ({ branch: { ...branch, enlisting: true }, effects: [] }),
  'connection-lost': forgetVoterAndAsker,
  held: stay,
  journal: stay,
  'vote-written': (branch) => {
    if (branch.rollback) {
      // The application was never called: it holds nothing.
      const next = recordAbort(branch, { owed: branch.owed, reason: reasons.rolledBack });
      return branch.enlisting ? before(refuseEnlist(branch), next) : next;
    }
    if (branch.prepare === null) return work(branch);
    const next = beginPrepare(branch, branch.prepare, branch.voter);
    return branch.enlisting
      ? { ...next, effects: [{ type: 'enlist-settled', refusal: null }, ...next.effects] }
      : next;
  },
  'vote-refused': (branch, event, context) => {
    const base: LocalBranch = { ...identity(branch), state: 'unknown' };
    const refused =
      event.by === 'entry' ? adoptOther(base, event.entry, context) : { branch: base, effects: [] };
    const next = branch.enlisting ? before(refuseEnlist(refused.branch), refused) : refused;
    // The journal had the last word; what came meanwhile is answered from what it says.
    const stale = event.by === 'stale-epoch' && branch.voter !== null;
    return {
      branch: next.branch,
      effects: stale
        ? [
            ...next.effects,
            ...sendVote(branch, branch.voter, { vote: 'abort', reason: reasons.staleEpoch }),
          ]
        : next.effects,
      again: [
        ...(stale ? [] : replayPrepare(branch.prepare, branch.voter)),
        ...replayRollbacks(branch.owed, branch.txid),
      ],
    };
  },
};

export const working: Row<'working'> = {
  ...atRest,
  prepare: (branch, { connection, prepare }, context) => {
    const next =
      prepare.epoch < context.knownEpoch
        ? beginRollback(branch, { voter: connection, reason: reasons.staleEpoch })
        : beginPrepare(branch, prepare, connection);
    return stopTimer('limit', next);
  },
  commit: (branch, { connection }) => refuseCommit(branch, connection),
  rollback: (branch, { connection }) =>
    stopTimer('limit', beginRollback(branch, { owed: [connection], reason: reasons.rolledBack })),
  forget: stay,
  answer: refuseCommitAnswer,
  enlisted: (branch) => ({ branch, effects: [{ type: 'enlist-settled', refusal: null }] }),
  'connection-lost': stay,
  held: stay,
  // Another process of the shared resource was told to roll back.
  journal: (branch, { found }) =>
    found?.state === 'tombstone'
      ? stopTimer('limit', beginRollback(branch, { reason: found.reason ?? reasons.rolledBack }))
      : stay(branch),
  // Nothing was promised, so it needs no one's word. Its prepare will find the tombstone.
  'limit-over': (branch) => beginRollback(branch, { reason: reasons.limitOver }),
};

export const orphaned: Row<'orphaned'> = {
  ...atRest,
  // Said, but not written: the process that began it may still vote `commit` on a later connection,
  // and then its vote is the one that counts. Only a decision touches what it holds.
  prepare: (branch, { connection }) => voteAbort(branch, connection, reasons.otherProcess),
  commit: (branch, { connection }) => refuseCommit(branch, connection),
  rollback: (branch, { connection }) => rollbackOrphan(branch, [connection]),
  forget: stay,
  answer: (branch, { decision }) => {
    if (decision === 'abort') return rollbackOrphan(branch, []);
    const again: Next = { branch, effects: [{ type: 'start-timer', timer: 'patience' }] };
    return decision === 'commit' ? before(contradicted(branch, decision), again) : again;
  },
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: stay,
  journal: (branch, { found }, context) =>
    found?.state === 'started' || (found === null && !branch.recorded)
      ? stay(branch)
      : stopTimer('patience', adopt(branch, found, context)),
  'patience-over': (branch) => ({ branch, effects: [{ type: 'query', witness: branch.witness }] }),
};

/** It may have voted, which its journal does not say: only a decision touches what it holds. */
const unrecorded: Omit<Row<'voted-elsewhere' | 'kept'>, 'prepare' | 'patience-over'> = {
  ...atRest,
  commit: (branch, { connection }) => stopTimer('patience', commitElsewhere(branch, [connection])),
  rollback: (branch, { connection }) =>
    stopTimer('patience', rollbackElsewhere(branch, [connection])),
  // As in `prepared`: said of other branches of the transaction, or too soon.
  forget: stay,
  answer: (branch, { decision }) => {
    if (decision === 'commit')
      return stopTimer('patience', commitElsewhere(branch, [], { answered: true }));
    if (decision === 'abort') return stopTimer('patience', rollbackElsewhere(branch, []));
    return stillInDoubt(branch, decision);
  },
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: stay,
  journal: (branch, { found }, context) =>
    found === null ? stay(branch) : stopTimer('patience', adopt(branch, found, context)),
};

export const elsewhere: Row<'voted-elsewhere'> = {
  ...unrecorded,
  // Sent to another instance first, and to this one by no correct leader. As in `orphaned`.
  prepare: (branch, { connection }) => voteAbort(branch, connection, reasons.otherProcess),
  'patience-over': (branch) => ({ branch, effects: [{ type: 'query', witness: null }] }),
};

export const kept: Row<'kept'> = {
  ...unrecorded,
  // Said, not written: it may have voted. Where that vote counted, no leader prepares again.
  prepare: (branch, { connection }) => voteAbort(branch, connection, reasons.notPrepared),
  'patience-over': (branch) => ({ branch, effects: [{ type: 'query', witness: branch.witness }] }),
};

function begin(
  branch: LocalBranch,
  more: { enlisting: boolean; prepare: PrepareData | null; voter: ConnectionId | null },
): Next {
  return {
    branch: {
      ...identity(branch),
      state: 'starting',
      ...more,
      rollback: false,
      owed: [],
    },
    effects: [
      {
        type: 'write-vote',
        state: 'started',
        epoch: more.prepare?.epoch ?? epochOf(branch.txid),
        witness: more.prepare?.witness ?? null,
        payload: more.prepare?.payload,
        result: undefined,
      },
    ],
  };
}

function work(branch: LocalBranch): Next {
  return {
    branch: { ...identity(branch), state: 'working' },
    effects: [
      { type: 'start-timer', timer: 'limit' },
      { type: 'enlist-settled', refusal: null },
    ],
  };
}

/** As `adopt`, but a `started` entry that refused ours is always another process's. */
function adoptOther(branch: LocalBranch, entry: Found, context: BranchContext): Next {
  return entry.state === 'started'
    ? orphan(branch, { ...entry, recorded: true })
    : adopt(branch, entry, context);
}

function rollbackOrphan(branch: LocalBranchOf<'orphaned'>, owed: readonly ConnectionId[]): Next {
  const { payload, recorded } = branch;
  return stopTimer(
    'patience',
    beginRollback(branch, { payload, owed, reason: null, begunElsewhere: recorded }),
  );
}
