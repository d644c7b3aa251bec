/** A participant that joins a transaction itself: asks the leader first, works afterwards. */
import { checkFields, type Fields, shown } from '../core/fields.ts';
import { epochOf, isTxid, shardOf, type Txid } from '../core/txid.ts';
import { checkRequest } from '../peer/checked.ts';
import { mayHaveActed, refusal, VerdictError } from '../peer/verdict-error.ts';
import type { BranchRef } from '../ports/resource.ts';
import { pauseOrAbort } from '../system/pause.ts';
import { tracing } from '../tracing/tracing.ts';
import type { Branch, Branches } from './branches.ts';
import type { ParticipantContext } from './context.ts';
import type { Sessions } from './sessions.ts';

/** Options of `ParticipantHandle.enlist`. */
export interface EnlistOptions {
  /** The branch's name; default: the participant's. */
  readonly branch?: string;
  /** What prepare, commit and rollback get; small, plain data. */
  readonly payload?: unknown;
  /** How long to try to reach the leader. Default 5,000. */
  readonly timeoutMs?: number;
  /** Gives the enlist up: it rejects with ABORTED_BY_CALLER. */
  readonly signal?: AbortSignal;
}

export interface Enlisting extends ParticipantContext {
  readonly sessions: Sessions;
  readonly branches: Branches;
}

const timeoutMsDefault = 5_000;
const enlistFields: Fields<EnlistOptions> = {
  branch: 'any',
  payload: 'any',
  timeoutMs: 'ms',
  signal: 'signal',
};

/**
 * The leader's answer may be lost; asking again is harmless: an enlist of the same content is one
 * enlist. The application may work once the leader has answered and, where the SDK keeps a record
 * that it began, once that is durable: a rollback that comes meanwhile finds it.
 */
export async function enlist(
  txid: Txid,
  how: EnlistOptions,
  { participant, clock, options, sessions, branches }: Enlisting,
): Promise<BranchRef> {
  if (!isTxid(txid)) throw new TypeError(`${shown(txid)} is no txid`);
  checkFields(how, enlistFields, 'enlist');
  const { branch, payload, timeoutMs = timeoutMsDefault } = how;
  const signal = how.signal ?? new AbortController().signal;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  const message = {
    type: 'enlist',
    txid,
    participant,
    ...(branch === undefined ? {} : { branch }),
    ...(payload === undefined ? {} : { payload }),
  } as const;
  checkRequest(message);
  const trace = tracing()?.activeTrace();
  let last: VerdictError | null = null;
  /** One that was sent got no answer: the leader may have agreed. */
  let unanswered = false;
  for (;;) {
    const leftMs = deadlineMs - clock.monotonicMs();
    if (signal.aborted || leftMs <= 0) {
      const over = signal.aborted || last === null ? unreachable(signal) : last;
      throw unanswered ? mayHaveActed(over) : over;
    }
    const leader = sessions.leader(shardOf(txid));
    try {
      if (leader === null) throw unreachable(signal);
      const reply = await leader.link.request(
        { ...message, ...trace },
        {
          timeoutMs: leftMs,
          signal,
          leader: { shard: shardOf(txid), epoch: epochOf(txid) },
        },
      );
      const identity = { txid, branch: reply.branch };
      const refused = await branches.enlist(identity);
      if (refused === null) return identity;
      if (refused === closedText) throw closedBehind(txid);
      throw refusal('WRONG_STATE', `Not enlisted: ${refused}.`, { txid });
    } catch (error) {
      if (!(error instanceof VerdictError)) throw error;
      unanswered ||= error.acted === 'unknown';
      // A connection that this side closed (!): another address led to the same node.
      const passes = error.retryable || (error.code === 'CLOSED' && !branches.closed);
      if (!passes) throw unanswered ? mayHaveActed(error) : error;
      last = error;
      const pauseMs = error.retryAfterMs ?? options.retryDelayMs;
      await pauseOrAbort(clock, Math.min(pauseMs, leftMs), signal);
    }
  }
}

function unreachable(signal: AbortSignal): VerdictError {
  return signal.aborted
    ? refusal('ABORTED_BY_CALLER', 'The caller gave the enlist up.', { cause: signal.reason })
    : new VerdictError('CONNECTION_LOST', "The shard's leader is not connected. Try again later.", {
        retryable: true,
        acted: 'nothing',
      });
}

/** Why a branch is not taken that this participant enlisted. */
export const closedText = 'the participant is closed';

function closedBehind(txid: Txid): VerdictError {
  const text = 'The participant was closed. The leader has the branch, and will ask for its vote.';
  return new VerdictError('CLOSED', text, { retryable: false, acted: 'unknown', txid });
}

/** Those who wait for the participant's own branch hear that it may work, or why it may not. */
export function settleEnlisting(branch: Branch, refusal: string | null): void {
  const waiting = branch.enlisting;
  branch.enlisting = [];
  for (const tell of waiting) tell(refusal);
}
