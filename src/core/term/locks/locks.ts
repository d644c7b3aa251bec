/**
 * Named locks of transactions: asked for, waited for, granted.
 *
 * Interleavings that matter:
 * - `commit` comes while a lock is waited for, or a one-shot brings locks: the branch set is closed from then on, and the
 *   freeze, with the first prepare, follows the last grant. So whoever waits is PENDING, nothing of it was sent anywhere, and
 *   a victim of a deadlock can always be aborted.
 * - Two one-shots ask for the same keys in opposite orders: the keys of one request are asked for at once and granted at
 *   once, so they wait for each other only where each holds something already.
 * - T1 aborts and T2 gets its lock while T1's branches still roll back. Nothing of T1 can commit any more, so what T2
 *   finds is what it would have found had T1 never been; and T1's rollbacks leave on each connection before T2's
 *   prepares, for grants are served at the end of a step.
 * - A grant lets a one-shot run, which aborts at once because its participant is away, which is a grant for the next, and so on through
 *   a long queue. Grants are therefore served from a list, not by calls within calls.
 * - The reply to `lock` is lost with the connection, and the client asks again on another: it joins the wait, or is answered at
 *   once where the lock is held. A client that never comes back waits until its lock's limit or its transaction's end.
 */
import { abortReason, type ErrorCode } from '../../catalogue.ts';
import { uphold } from '../../invariants.ts';
import { cycleThrough, victimOf } from '../../locks/cycle.ts';
import { defaultLockGroup, lockName, lockNameParts, scopedLockGroup } from '../../locks/names.ts';
import { type LockRequest, type LockWant, normalWants } from '../../locks/table.ts';
import type { Lock } from '../../messages.ts';
import { requestShard } from '../../request-shard.ts';
import type { Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import type { Sender } from '../events.ts';
import { refuseUnavailable } from '../flow/admission.ts';
import { abort } from '../phase-one/decide.ts';
import { freeze } from '../phase-one/prepare.ts';
import { flagTransaction } from '../phase-two/phase-two.ts';
import { bytesProblem, hold } from '../requests/holdings.ts';
import { namedFor, owns } from '../requests/owner.ts';
import { lockBytes } from '../requests/record-size.ts';
import { senderOf, type TermState } from '../state.ts';
import { endWait, failAskers } from './release.ts';

/** Askers of one wait: beyond them somebody repeats himself in a loop. */
const maxReplies = 100;
/** READY is left by the log's answer alone, and soon. */
const readyPauseMs = 1_000;

export function lock(state: TermState, from: Sender, message: Lock): void {
  const to = senderOf(from, message.id);
  const { txid } = message;
  const transaction = state.transactions.get(txid);
  if (transaction === undefined) {
    const ended = state.recent.get(txid);
    if (ended === null || !owns(from, ended)) state.fail(to, 'UNKNOWN_TRANSACTION', { txid });
    else state.fail(to, 'WRONG_STATE', { message: notPending(ended.status.state), txid });
    return;
  }
  if (!owns(from, transaction)) {
    state.fail(to, 'UNKNOWN_TRANSACTION', { txid });
    return;
  }
  if (
    transaction.state !== 'PENDING' ||
    transaction.requestId !== null ||
    transaction.freezeWhenLocked
  ) {
    state.fail(to, 'WRONG_STATE', { message: notPending(transaction.state), txid });
    return;
  }
  const group = transaction.lockGroup ?? defaultGroupHere(state, transaction);
  if (group === null) {
    state.fail(to, 'WRONG_STATE', {
      message: `The transaction was begun in another shard than the lock group ${JSON.stringify(defaultLockGroup)} has: name a lockGroup when you begin it.`,
      txid,
    });
    return;
  }
  if (message.keys.length === 0) {
    state.fail(to, 'INVALID_MESSAGE', { message: 'lock.keys must name at least one key.', txid });
    return;
  }
  transaction.lockGroup = group;
  const wants = wantsOf(group, [message]);
  const reply = { ...to, keys: message.keys };
  const same = state.locks.same(transaction, wants);
  if (same !== null) {
    const replies = state.lockWaits.get(same)?.replies ?? [];
    if (replies.length >= maxReplies) state.fail(to, 'BUSY', { retryAfterMs: 250, txid });
    else replies.push(reply);
    return;
  }
  if (!state.locks.covers(transaction, wants)) {
    const problem = beyondLimits(state, {
      count: state.locks.countWith(transaction, wants),
      bytes: transaction.recordBytes + newBytes(state, transaction, wants),
    });
    if (problem !== null) {
      state.fail(to, problem.code, { ...problem, txid });
      return;
    }
  }
  const newLockBytes = newBytes(state, transaction, wants);
  const noRoom = bytesProblem(state, transaction.origin, newLockBytes);
  if (noRoom !== null) {
    state.fail(to, 'BUSY', { message: noRoom, retryAfterMs: 250, txid });
    return;
  }
  transaction.recordBytes += newLockBytes;
  hold(state, transaction, newLockBytes);
  const waits = ask(state, transaction, { wants, waitMs: message.waitMs, reply });
  if (!waits) {
    state.send(to.connection, { type: 'locked', id: to.id, txid, keys: message.keys });
  }
}

function notPending(state: Transaction['state']): string {
  return state === 'PENDING'
    ? 'The transaction is a one-shot request, or its commit was asked for: locks are taken before that.'
    : `The transaction is ${state}: locks are taken while it is PENDING.`;
}

function defaultGroupHere(state: TermState, { owner }: Transaction): string | null {
  const { shard, shards } = state.config;
  const group = owner === null ? defaultLockGroup : scopedLockGroup(owner.name);
  return requestShard(group, shards) === shard ? group : null;
}

export function wantsOf(
  group: string,
  given: readonly { readonly keys: readonly string[]; readonly mode?: LockWant['mode'] }[],
): LockWant[] {
  return normalWants(
    given.flatMap(({ keys, mode = 'exclusive' }) =>
      keys.map((key) => ({ key: lockName(group, key), mode })),
    ),
  );
}

/** Why so many locks, or so many bytes of them, are not taken; null where they are. */
export function beyondLimits(
  state: TermState,
  asked: { count: number; bytes: number },
): { code: ErrorCode; message: string; retryAfterMs?: number } | null {
  const { maxLocks, maxLockWaiters, maxRecordBytes } = state.config.options;
  if (asked.count > maxLocks) {
    const message = `A transaction locks at most ${maxLocks} keys.`;
    return { code: 'LIMIT_EXCEEDED', message };
  }
  if (asked.bytes > maxRecordBytes) {
    const message = `The decision record would pass ${maxRecordBytes} bytes: lock fewer or shorter keys.`;
    return { code: 'TOO_LARGE', message };
  }
  if (state.locks.waiting >= maxLockWaiters) {
    const message = `${maxLockWaiters} requests wait for locks of this shard already.`;
    return { code: 'BUSY', message, retryAfterMs: 250 };
  }
  return null;
}

/** Of the keys that are not counted yet. */
function newBytes(state: TermState, transaction: Transaction, wants: readonly LockWant[]): number {
  const known = new Set(state.locks.held(transaction).keys());
  for (const { wants: asked } of state.locks.waits(transaction)) {
    for (const { key } of asked) known.add(key);
  }
  return lockBytes(wants.filter(({ key }) => !known.has(key)));
}

/** A one-shot's locks, then its first prepare. Nothing else happens where it brought none. */
export function lockAndFreeze(state: TermState, transaction: Transaction): void {
  const { asked } = transaction;
  transaction.asked = null;
  if (asked === null) {
    freezeWhenLocked(state, transaction);
    return;
  }
  // Known before it waits: to be refused afterwards would be to wait, and hold up others, for nothing.
  if (refuseUnavailable(state, transaction)) return;
  transaction.freezeWhenLocked = true;
  const waits = ask(state, transaction, { ...asked, reply: null });
  if (!waits) freeze(state, transaction);
}

/** A commit: nothing may be added from here on, and the freeze waits for what is waited for. */
export function freezeWhenLocked(state: TermState, transaction: Transaction): void {
  if (state.locks.waits(transaction).size > 0) transaction.freezeWhenLocked = true;
  else freeze(state, transaction);
}

/** Whether it waits, or was aborted for asking; where it does not, the locks are held. */
function ask(
  state: TermState,
  transaction: Transaction,
  given: {
    wants: readonly LockWant[];
    waitMs: number | undefined;
    reply: { connection: number; id: number; keys: readonly string[] } | null;
  },
): boolean {
  const { wants, reply } = given;
  const request = state.locks.request({ owner: transaction, wants, nowMs: state.nowMs });
  if (request === null) {
    startHolding(state, transaction);
    return false;
  }
  const waitMs = given.waitMs ?? state.config.options.lockWaitMs;
  const untilMs = state.nowMs + waitMs;
  state.lockWaits.set(request, {
    replies: reply === null ? [] : [reply],
    waitMs,
    // Where the transaction's own time-out comes first or at once with it, that one is the reason to name.
    timer:
      waitMs > 0 && untilMs < transaction.deadlineAtMs
        ? state.timers.schedule(untilMs, { kind: 'lock', request })
        : null,
  });
  if (waitMs === 0) {
    lockTimedOut(state, request);
    return true;
  }
  endDeadlocks(state, transaction);
  return true;
}

function endDeadlocks(state: TermState, transaction: Transaction): void {
  for (;;) {
    const cycle = cycleThrough(state.locks, transaction);
    if (cycle === null) return;
    const victim = victimOf(cycle);
    // Who waits is PENDING: see above. So is the youngest of those who do.
    uphold(
      victim.state === 'PENDING',
      'I12',
      () => `${victim.txid} waits for a lock in ${victim.state}`,
    );
    const stepsWith = (nameOf: (owner: Transaction) => Txid) =>
      cycle.map(({ owner, key }) => ({ txid: nameOf(owner), waitsFor: lockNameParts(key).key }));
    const steps = stepsWith((owner) => namedFor(victim, owner));
    // A text has at most 1,024 bytes; the whole cycle is in the detail.
    const told = steps.slice(0, 4).map(({ txid, waitsFor }) => `${txid} for ${textOf(waitsFor)}`);
    const more = steps.length > told.length ? `, and ${steps.length - told.length} more` : '';
    state.note({
      level: 'info',
      event: 'deadlock',
      txid: victim.txid,
      cycle: stepsWith(({ txid }) => txid),
    });
    abort(
      state,
      victim,
      abortReason('DEADLOCK', {
        message: `The transaction was the youngest of those that waited for each other: ${told.join(', ')}${more}. Retry it.`,
        detail: { cycle: steps },
      }),
    );
    if (victim === transaction) return;
  }
}

function textOf(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key);
}

export function lockTimedOut(state: TermState, request: LockRequest<Transaction>): void {
  const { owner: transaction } = request;
  const wait = state.lockWaits.get(request);
  if (wait === undefined || transaction.state !== 'PENDING') return;
  const first = state.locks.blockersOf(request).next().value;
  const why =
    first === undefined
      ? 'the new leader was still reading who holds what'
      : `${namedFor(transaction, first.owner)} had ${textOf(lockNameParts(first.key).key)}, or was before it`;
  abort(
    state,
    transaction,
    abortReason('LOCK_TIMEOUT', {
      message: `A lock was not granted within ${wait.waitMs} ms: ${why}.`,
    }),
  );
}

/** The limit of holding. Nothing is taken from a decided one: somebody must look at it. */
export function lockHeldTooLong(state: TermState, transaction: Transaction): void {
  transaction.lockTimer = null;
  const { lockHoldMs } = state.config.options;
  switch (transaction.state) {
    case 'PENDING':
    case 'PREPARING':
      abort(
        state,
        transaction,
        abortReason('LOCK_TIMEOUT', {
          message: `The transaction held its locks for ${lockHoldMs} ms without being decided.`,
        }),
      );
      return;
    case 'READY':
      transaction.lockTimer = state.timers.schedule(state.nowMs + readyPauseMs, {
        kind: 'lock-hold',
        transaction,
      });
      return;
    case 'COMMITTING':
      flagTransaction(state, transaction, { lockHoldMs });
      return;
    default:
      return;
  }
}

export function startHolding(state: TermState, transaction: Transaction): void {
  const { lockHoldMs } = state.config.options;
  if (lockHoldMs === 0 || transaction.lockTimer !== null) return;
  const atMs = state.nowMs + lockHoldMs;
  transaction.lockTimer = state.timers.schedule(atMs, { kind: 'lock-hold', transaction });
}

/** All of `decisions/` was read: what earlier leaderships granted is held again, and this one may grant. */
export function openLocks(state: TermState): void {
  for (const request of state.locks.open(state.nowMs)) state.granted.push(request);
}

/** At the end of a step: those who got what they waited for hear of it, and run. */
export function serveGrants(state: TermState): void {
  for (let at = 0; at < state.granted.length; at += 1) {
    const request = state.granted[at] as LockRequest<Transaction>;
    const { owner: transaction } = request;
    const wait = endWait(state, request);
    if (wait === null) continue;
    // Granted by the end of one victim, and itself the next one in the same step.
    if (transaction.state !== 'PENDING') {
      failAskers(state, transaction, wait);
      continue;
    }
    startHolding(state, transaction);
    for (const { connection, id, keys } of wait.replies) {
      state.send(connection, { type: 'locked', id, txid: transaction.txid, keys });
    }
    const whole = state.locks.waits(transaction).size === 0;
    if (transaction.freezeWhenLocked && whole) freeze(state, transaction);
  }
  state.granted = [];
}
