/** The branch machine before the application's prepare runs. The diagram and the rules are in `branch.ts`. */

import { epochOf } from '../txid.ts';
import {
  adopt,
  alarm,
  beginPrepare,
  beginRollback,
  commitElsewhere,
  contradicted,
  forgetVoterAndAsker,
  lateTimers,
  type Next,
  nothingOwed,
  orphan,
  type Row,
  reasons,
  recordAbort,
  refuseCommit,
  refuseEnlist,
  replayPrepare,
  replayRollbacks,
  rollbackElsewhere,
  sendVote,
  stay,
  votedElsewhere,
  withAsker,
} from './effects.ts';
import type { BranchContext, ConnectionId, Found, LocalState, PrepareData } from './types.ts';

export const unknown: Row<'unknown'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: (state, { connection, prepare }, context) => {
    // I7, before the application works for nothing; the journal checks again when it persists. A
    // zombie is answered rather than ignored: an abort vote promises nothing, and frees its client.
    if (prepare.epoch < context.knownEpoch) return voteAbort(state, connection);
    if (!context.recordsStart) return beginPrepare(state, prepare, connection);
    return begin(state, { enlisting: false, prepare, voter: connection });
  },
  commit: (state, { connection, epoch }, { siblings, knownEpoch }) =>
    siblings
      ? commitElsewhere(state, [connection], epoch < knownEpoch)
      : refuseCommit(state, connection),
  // A prepare that is still under way must find that it comes too late.
  rollback: (state, { connection }, { siblings }) =>
    siblings
      ? rollbackElsewhere(state, [connection])
      : recordAbort(state, { owed: [connection], reason: null }),
  forget: stay,
  answer: stay,
  enlisted: (state, _event, context) => {
    if (epochOf(state.txid) < context.knownEpoch) {
      return { state, effects: [{ kind: 'enlist-settled', refusal: reasons.staleEpoch.message }] };
    }
    if (!context.recordsStart) return work(state);
    return begin(state, { enlisting: true, prepare: null, voter: null });
  },
  'connection-lost': stay,
  // Its vote was never written, so it was never sent, so no commit is possible: rolled back alone.
  // Where the journal is shared another process may be writing that vote just now; and of a sibling's this one says nothing.
  held: (state, { mine }, context) =>
    !mine && context.siblings
      ? votedElsewhere(state)
      : context.shared
        ? orphan(state, { epoch: epochOf(state.txid), witness: null })
        : beginRollback(state, { payload: undefined, reason: reasons.notPrepared }),
  journal: (state, { found }, context) => adopt(state, found, context),
};

export const starting: Row<'starting'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: (state, { connection, prepare }) => ({
    state: { ...state, prepare, voter: connection },
    effects: [],
  }),
  commit: (state, { connection }) => refuseCommit(state, connection),
  rollback: (state, { connection }) => ({
    state: { ...state, rollback: true, owed: withAsker(state.owed, connection) },
    effects: [],
  }),
  forget: stay,
  answer: (state, { decision }) =>
    decision === 'commit' ? contradicted(state, decision) : stay(state),
  enlisted: (state) => ({ state: { ...state, enlisting: true }, effects: [] }),
  'connection-lost': forgetVoterAndAsker,
  held: stay,
  journal: stay,
  'vote-written': (state) => {
    if (state.rollback) {
      // The application was never called: it holds nothing.
      const next = recordAbort(state, { owed: state.owed, reason: reasons.rolledBack });
      return state.enlisting ? before(refuseEnlist(state), next) : next;
    }
    if (state.prepare === null) return work(state);
    const next = beginPrepare(state, state.prepare, state.voter);
    return state.enlisting
      ? { ...next, effects: [{ kind: 'enlist-settled', refusal: null }, ...next.effects] }
      : next;
  },
  'vote-refused': (state, event, context) => {
    const base: LocalState = { txid: state.txid, branch: state.branch, name: 'unknown' };
    const refused =
      event.by === 'entry' ? adoptOther(base, event.entry, context) : { state: base, effects: [] };
    const next = state.enlisting ? before(refuseEnlist(refused.state), refused) : refused;
    // The journal had the last word; what came meanwhile is answered from what it says.
    const stale = event.by === 'stale-epoch' && state.voter !== null;
    return {
      state: next.state,
      effects: stale
        ? [
            ...next.effects,
            ...sendVote(state, state.voter, { vote: 'abort', reason: reasons.staleEpoch }),
          ]
        : next.effects,
      again: [
        ...(stale ? [] : replayPrepare(state.prepare, state.voter)),
        ...replayRollbacks(state.owed, state.txid),
      ],
    };
  },
};

export const working: Row<'working'> = {
  ...nothingOwed,
  ...lateTimers,
  prepare: (state, { connection, prepare }, context) => {
    const next =
      prepare.epoch < context.knownEpoch
        ? beginRollback(state, {
            payload: undefined,
            voter: connection,
            reason: reasons.staleEpoch,
          })
        : beginPrepare(state, prepare, connection);
    return stopLimit(next);
  },
  commit: (state, { connection }) => refuseCommit(state, connection),
  rollback: (state, { connection }) =>
    stopLimit(
      beginRollback(state, { payload: undefined, owed: [connection], reason: reasons.rolledBack }),
    ),
  forget: stay,
  answer: (state, { decision }) =>
    decision === 'commit' ? contradicted(state, decision) : stay(state),
  enlisted: (state) => ({ state, effects: [{ kind: 'enlist-settled', refusal: null }] }),
  'connection-lost': stay,
  held: stay,
  // Another process of the shared resource was told to roll back.
  journal: (state, { found }) =>
    found?.state === 'tombstone'
      ? stopLimit(
          beginRollback(state, { payload: undefined, reason: found.reason ?? reasons.rolledBack }),
        )
      : stay(state),
  // Unprepared: nothing was promised, so it needs nobody's word. Its prepare will find the tombstone.
  'limit-over': (state) => beginRollback(state, { payload: undefined, reason: reasons.limitOver }),
};

export const orphaned: Row<'orphaned'> = {
  ...nothingOwed,
  ...lateTimers,
  // Said, but not written: the process that began it may still vote `commit` on a later connection,
  // and then its vote is the one that counts. Only a decision touches what it holds.
  prepare: (state, { connection }) => ({
    state,
    effects: sendVote(state, connection, { vote: 'abort', reason: reasons.otherProcess }),
  }),
  commit: (state, { connection }) => refuseCommit(state, connection),
  rollback: (state, { connection }) =>
    stopPatience(
      beginRollback(state, { payload: state.payload, owed: [connection], reason: null }),
    ),
  forget: stay,
  answer: (state, { decision }) => {
    if (decision === 'abort') {
      return stopPatience(beginRollback(state, { payload: state.payload, reason: null }));
    }
    const again: Next = { state, effects: [{ kind: 'start-timer', timer: 'patience' }] };
    return decision === 'commit' ? before(contradicted(state, decision), again) : again;
  },
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: stay,
  journal: (state, { found }, context) =>
    found?.state === 'started' || (found === null && state.witness === null)
      ? stay(state)
      : stopPatience(adopt(state, found, context)),
  'patience-over': (state) => ({ state, effects: [{ kind: 'query', witness: state.witness }] }),
};

export const elsewhere: Row<'voted-elsewhere'> = {
  ...nothingOwed,
  ...lateTimers,
  // Sent to another instance first, and to this one by no correct leader. As in `orphaned`.
  prepare: (state, { connection }) => ({
    state,
    effects: sendVote(state, connection, { vote: 'abort', reason: reasons.otherProcess }),
  }),
  commit: (state, { connection }) => stopPatience(commitElsewhere(state, [connection])),
  rollback: (state, { connection }) => stopPatience(rollbackElsewhere(state, [connection])),
  forget: stay,
  answer: (state, { decision }) => {
    if (decision === 'commit') return stopPatience(commitElsewhere(state, []));
    if (decision === 'abort') return stopPatience(rollbackElsewhere(state, []));
    const again: Next = { state, effects: [{ kind: 'start-timer', timer: 'patience' }] };
    return decision === 'expired' ? before(expiredInDoubt(state), again) : again;
  },
  enlisted: refuseEnlist,
  'connection-lost': stay,
  held: stay,
  journal: (state, { found }, context) =>
    found === null ? stay(state) : stopPatience(adopt(state, found, context)),
  'patience-over': (state) => ({ state, effects: [{ kind: 'query', witness: null }] }),
};

function expiredInDoubt(state: LocalState): Next {
  const text = 'A node answered expired for a branch in doubt. It stays in doubt and asks again.';
  return { state, effects: [alarm('outcome-expired', text)] };
}

function begin(
  state: LocalState,
  more: { enlisting: boolean; prepare: PrepareData | null; voter: ConnectionId | null },
): Next {
  return {
    state: {
      txid: state.txid,
      branch: state.branch,
      name: 'starting',
      ...more,
      rollback: false,
      owed: [],
    },
    effects: [
      {
        kind: 'write-vote',
        state: 'started',
        epoch: more.prepare?.epoch ?? epochOf(state.txid),
        witness: more.prepare?.witness ?? null,
        payload: more.prepare?.payload,
        result: undefined,
      },
    ],
  };
}

function work(state: LocalState): Next {
  return {
    state: { txid: state.txid, branch: state.branch, name: 'working' },
    effects: [
      { kind: 'start-timer', timer: 'limit' },
      { kind: 'enlist-settled', refusal: null },
    ],
  };
}

function voteAbort(state: LocalState, voter: ConnectionId): Next {
  return { state, effects: sendVote(state, voter, { vote: 'abort', reason: reasons.staleEpoch }) };
}

/** As `adopt`, but a `started` entry that refused ours is always another process's. */
function adoptOther(state: LocalState, entry: Found, context: BranchContext): Next {
  return entry.state === 'started' ? orphan(state, entry) : adopt(state, entry, context);
}

function stopLimit(next: Next): Next {
  return { ...next, effects: [{ kind: 'stop-timer', timer: 'limit' }, ...next.effects] };
}

function stopPatience(next: Next): Next {
  return { ...next, effects: [{ kind: 'stop-timer', timer: 'patience' }, ...next.effects] };
}

function before(first: Next, next: Next): Next {
  return { ...next, effects: [...first.effects, ...next.effects] };
}
