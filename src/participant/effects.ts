/** What the branches' machines ask for, done: effects become calls, writes, messages and timers. */
import type { LocalEffect } from '../core/branch/branch.ts';
import type { Ack, VoteMessage } from '../core/messages.ts';
import { thrownLine } from '../core/thrown.ts';
import { epochOf } from '../core/txid.ts';
import type { PrepareEvents } from './application.ts';
import type { Branch, Branches } from './branches.ts';
import { settleEnlisting } from './enlist.ts';
import { eventOfOutcome, eventOfVote } from './journal-entries.ts';
import { callUser } from './user-callback.ts';

type EffectType = LocalEffect['type'];
type EffectOf<Type extends EffectType> = Extract<LocalEffect, { readonly type: Type }>;
type Carry<Effect> = (branches: Branches, branch: Branch, effect: Effect) => void;

export function carryOut(branches: Branches, branch: Branch, effect: LocalEffect): void {
  // The table's type ties each cell to its effect; indexing by a union loses that.
  (effects[effect.type] as Carry<LocalEffect>)(branches, branch, effect);
}

const effects: { readonly [Type in EffectType]: Carry<EffectOf<Type>> } = {
  'call-prepare': (branches, branch, { prepare }) => {
    const { application } = branches.ports;
    branches.underWay.begin();
    const events = prepareEvents(branches, branch);
    branch.prepareRun = application.prepare(branch, prepare, events);
  },
  'interrupt-prepare': (_branches, branch, { why }) => branch.prepareRun?.interrupt(why),
  'call-commit': end,
  'call-rollback': end,
  'write-vote': (branches, branch, effect) => {
    const { journal, clock, reached, epochs, keepsVotes, fatal } = branches.ports;
    const { state, epoch, witness, payload, result } = effect;
    if (state !== 'started') reached('before-vote-durable');
    const { txid, branch: name } = branch.identity;
    const atMs = clock.wallMs();
    const vote = { txid, branch: name, state, epoch, witness, payload, result, atMs };
    const kept =
      keepsVotes && vote.state === 'prepared'
        ? journal.voteKept({ ...vote, state: vote.state })
        : null;
    // A journal that cannot be written is the participant's end, though no one waits for this.
    kept?.catch((error: unknown) => branches.underWay.stopped || fatal(error));
    const written = kept === null ? journal.vote(vote) : Promise.resolve(voteCounts);
    branches.underWay.await(written, (voted) => {
      if (voted.kind === 'written') {
        if (state !== 'started') reached('after-vote-durable');
        epochs.learned(branch.shard, epoch);
      }
      branches.step(branch, eventOfVote(voted));
    });
  },
  'write-committed': (branches, branch) => {
    const { journal, reached } = branches.ports;
    branches.underWay.await(journal.committed(branch.identity), (result) => {
      reached('after-outcome-durable');
      branches.step(branch, eventOfOutcome(result));
    });
  },
  'write-tombstone': (branches, branch, { reason }) => {
    const { identity } = branch;
    // With its epoch it may go as soon as a newer one is durably known (8.8).
    const why = { epoch: epochOf(identity.txid), ...(reason === null ? {} : { reason }) };
    const written = branches.ports.journal.tombstone(identity, why);
    branches.underWay.await(written, (result) => branches.step(branch, eventOfOutcome(result)));
  },
  'write-forget': ({ ports, forgets }, { identity }) => {
    const { resource, logger } = ports;
    if (resource.forgotten !== undefined) {
      callUser(
        () => resource.forgotten?.(identity),
        (error) =>
          logger.warn(
            { ...identity, error: thrownLine(error) },
            'forgotten of the application threw; it is not called again',
          ),
      );
    }
    forgets.add(identity.txid);
  },
  send: ({ ports }, _branch, { to, message }) => {
    ports.logger.debug(summary(message), message.type);
    ports.send(to, message);
  },
  'start-timer': (branches, branch, effect) => {
    const { timers } = branches.ports;
    if (effect.timer === 'retry') {
      const due = { type: 'retry-due' } as const;
      return timers.startRetry(effect.attempt, () => branches.step(branch, due));
    }
    const { type, asksJournal } = timerEvents[effect.timer];
    timers.start(effect.timer, branch, () =>
      asksJournal ? branches.receive(branch, { type }) : branches.step(branch, { type }),
    );
  },
  'stop-timer': ({ ports }, branch, { timer }) => {
    ports.timers.stop(timer, branch);
    if (timer === 'patience') ports.doubt.stop(branch);
  },
  query: (branches, branch, { witness }) => {
    const { doubt } = branches.ports;
    const { txid } = branch.identity;
    doubt.query(branch, { txid, witness }, (decision) => branches.answer({ txid, decision }));
  },
  'enlist-settled': (_branches, branch, { refusal }) => {
    branch.enlisted ||= refusal === null;
    settleEnlisting(branch, refusal);
  },
  alarm: ({ ports }, { identity }, { alarm, message }) =>
    ports.alarm({ ...identity, alarm, message }),
};

const voteCounts = { kind: 'written' } as const;

/** `asksJournal`: another process of a shared resource may have learned the outcome meanwhile. */
const timerEvents = {
  limit: { type: 'limit-over', asksJournal: false },
  patience: { type: 'patience-over', asksJournal: true },
  tombstone: { type: 'tombstone-due', asksJournal: true },
} as const;

function prepareEvents(branches: Branches, branch: Branch): PrepareEvents {
  return {
    working: () => {
      const { identity, local } = branch;
      if (local.state !== 'preparing' || local.voter === null) return;
      if (!branches.underWay.stopped)
        branches.ports.send(local.voter, { type: 'working', ...identity });
    },
    timeout: () => branches.step(branch, { type: 'prepare-timeout' }),
    prepared: (prepared) =>
      branches.underWay.end(() => {
        branch.prepareRun = null;
        branches.step(branch, { type: 'application-prepared', prepared });
      }),
  };
}

const ends = {
  'call-commit': {
    call: 'commit',
    point: 'after-commit-applied',
  },
  'call-rollback': {
    call: 'rollback',
    point: 'after-rollback-applied',
  },
} as const;

function end(
  branches: Branches,
  branch: Branch,
  { type, payload, takenOver }: EffectOf<keyof typeof ends>,
): void {
  const { application, reached, leader } = branches.ports;
  const { call, point } = ends[type];
  branches.underWay.begin();
  application.end(call, { ...branch.identity, payload, takenOver }, branch.trace, (failure) =>
    branches.underWay.end(() => {
      // It is called no more.
      if (failure === null) branch.trace = null;
      if (failure === null) reached(point);
      if (failure !== null) branches.step(branch, { type: 'application-failed', ...failure });
      else if (call === 'rollback') branches.step(branch, { type: 'application-rolled-back' });
      // (!) Who leads now: there may have been another, or none, when the answer came.
      else branches.step(branch, { type: 'application-committed', leader: leader(branch.shard) });
    }),
  );
}

/** What may be logged of a message: no result, no detail. */
function summary(message: VoteMessage | Ack): object {
  const { txid, branch } = message;
  if (message.type === 'vote') return { txid, branch, vote: message.vote };
  return { txid, branch, decision: message.decision, ok: message.ok };
}
