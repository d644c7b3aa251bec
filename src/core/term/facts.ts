/** What this term knows of one transaction, for an explanation of it. */
import type { BranchFacts, LeaderFacts, TransactionFacts } from '../explain/facts.ts';
import type { BranchState } from '../messages.ts';
import { settledBy } from '../records.ts';
import type { Transaction } from '../transaction.ts';
import { positionOf, type Txid } from '../txid.ts';
import { type Branch, byHandOf } from './branch.ts';
import { fitnessOf } from './flow/flow.ts';
import {
  branchTimes,
  branchTimesIn,
  decidedMsIn,
  ms,
  recent,
  timeoutMsIn,
  viewOf,
} from './listing/listing.ts';
import { blockedBy, locksOf } from './locks/locks.ts';
import { wasNeverBegun } from './recovery/recovery.ts';
import type { TermState } from './state.ts';

/** All but what the driver of the term knows. */
export type TermFacts =
  | Pick<Extract<LeaderFacts, { readonly type: 'knows' }>, 'type' | 'transaction'>
  | Omit<Extract<LeaderFacts, { readonly type: 'forgot' }>, 'node' | 'started'>;

export function factsOf(state: TermState, txid: Txid): TermFacts {
  const transaction = state.transactions.get(txid);
  if (transaction !== undefined)
    return { type: 'knows', transaction: inMemory(state, transaction) };
  const ended = endedFacts(state, txid);
  if (ended !== null) return { type: 'knows', transaction: ended };
  return {
    type: 'forgot',
    epoch: state.config.epoch,
    neverBegun: wasNeverBegun(state, txid),
    mayHaveRead: recent(state).mayHaveHeldUnrecorded(positionOf(txid)),
  };
}

/** The branch takes no part in what is still to come. */
const over: ReadonlySet<BranchState> = new Set(['readonly', 'refused', 'committed', 'rolled-back']);

function inMemory(state: TermState, transaction: Transaction): TransactionFacts {
  const { recovered, readonly, timeoutMs, decidedUs, waitsFor, freezeWhenLocked } = transaction;
  const { reason = null, requestId = null, labels = null, ...view } = viewOf(transaction);
  const { locks = [], lockGroup = null } = locksOf(state, transaction, true);
  const branches = [...transaction.branches.values()];
  const awaited = branches.filter((branch) => !over.has(branch.state));
  const participants = new Set(awaited.map(({ participant }) => participant));
  return {
    state: view.state,
    attention: view.attention,
    // As fine as the times of its parts.
    ageMs: Math.max(0, state.nowMs - transaction.startedAtMs),
    recovered,
    readonly,
    timeoutMs: recovered ? null : timeoutMs,
    decidedMs: ms(decidedUs),
    reason,
    requestId,
    labels,
    locks,
    lockGroup,
    readsRequest: [...state.requestReads.values()].some(
      (read) => read.type === 'attempt' && read.transaction === transaction,
    ),
    closed: freezeWhenLocked,
    queuesFor: waitsFor,
    branches: branches.map((branch) => branchFacts(state, branch)),
    fitness: [...participants].flatMap((name) => fitnessOf(state, name) ?? []),
    blocks: blockedBy(state, transaction),
  };
}

function branchFacts(state: TermState, branch: Branch): BranchFacts {
  const { participant, instance, attempts, lastError, timer, command } = branch;
  const word = byHandOf(branch);
  return {
    branch: branch.branch,
    participant,
    state: branch.state,
    instance,
    attempts,
    lastError,
    ...branchTimes(branch),
    connected: over.has(branch.state) ? null : isConnected(state, branch),
    queues: command === 'waiting',
    timerInMs: timer === null ? null : Math.max(0, timer.atMs - state.nowMs),
    ...(word === null ? {} : { byHand: settledBy(word.mark) }),
  };
}

function isConnected({ connected }: TermState, branch: Branch): boolean {
  const { state, participant, instance } = branch;
  if (state === 'unreachable') return false;
  return instance === null ? connected.has(participant) : connected.route(branch) !== null;
}

function endedFacts(state: TermState, txid: Txid): TransactionFacts | null {
  const ended = recent(state).get(txid);
  if (ended === null) return null;
  const { status, startedAtMs, readonly, times } = ended;
  const decidedMs = times === null ? null : decidedMsIn(times);
  return {
    state: status.state,
    attention: status.attention,
    ageMs: Math.max(0, state.nowMs - startedAtMs),
    // Of such a one the time of its decision is not known.
    recovered: times !== null && decidedMs === null,
    readonly,
    timeoutMs: times === null ? null : timeoutMsIn(times),
    decidedMs,
    reason: status.reason ?? null,
    requestId: status.requestId ?? null,
    labels: status.labels ?? null,
    locks: [],
    lockGroup: null,
    readsRequest: false,
    closed: true,
    queuesFor: null,
    branches: status.branches.map((branch, index) => ({
      ...branch,
      instance: null,
      lastError: branch.lastError ?? null,
      ...(times === null ? unknownTimes : branchTimesIn(times, index)),
      connected: null,
      queues: false,
      timerInMs: null,
    })),
    fitness: [],
    blocks: [],
  };
}

const unknownTimes = {
  sentMs: null,
  votedMs: null,
  settledMs: null,
  payloadBytes: null,
  resultBytes: null,
} as const;
