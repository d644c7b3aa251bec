/**
 * Waiting for locks: limits, deadlocks, grants. What is to be aborted or frozen is the caller's.
 */
import { type AbortReason, abortReason, type ErrorCode } from '../../catalogue.ts';
import { uphold } from '../../invariants.ts';
import { cycleThrough, victimOf } from '../../locks/cycle.ts';
import { lockName, lockNameParts } from '../../locks/names.ts';
import { type LockRequest, type LockWant, normalWants } from '../../locks/table.ts';
import type { Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { lockBytes, namedFor } from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { endWait, failAskers } from './release.ts';

/** Askers of one wait: beyond them someone repeats himself in a loop. */
const maxReplies = 100;

/** An open `lock` request. */
export interface LockReply {
  readonly connection: number;
  readonly id: number;
  readonly keys: readonly string[];
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
  asked: { readonly count: number; readonly bytes: number },
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
  if (state.locks.table.waiting >= maxLockWaiters) {
    const message = `${maxLockWaiters} requests wait for locks of this shard already.`;
    return { code: 'BUSY', message, retryAfterMs: 250 };
  }
  return null;
}

/** Of the keys that are not counted yet. */
export function newLockBytes(
  state: TermState,
  transaction: Transaction,
  wants: readonly LockWant[],
): number {
  const known = new Set(state.locks.table.held(transaction).keys());
  for (const { wants: asked } of state.locks.table.waits(transaction)) {
    for (const { key } of asked) known.add(key);
  }
  return lockBytes(wants.filter(({ key }) => !known.has(key)));
}

/**
 * Whether it holds all of this already; where it does not, how many keys it would hold and wait
 * for.
 */
export function countLocks(
  { locks }: TermState,
  transaction: Transaction,
  wants: readonly LockWant[],
): number | 'held' {
  return locks.table.covers(transaction, wants)
    ? 'held'
    : locks.table.countWith(transaction, wants);
}

/** A repeated request joins its wait; null where there is none. */
export function joinWait(
  { locks }: TermState,
  transaction: Transaction,
  given: { readonly wants: readonly LockWant[]; readonly reply: LockReply },
): 'joined' | 'full' | null {
  const same = locks.table.same(transaction, given.wants);
  if (same === null) return null;
  const replies = locks.waits.get(same)?.replies ?? [];
  if (replies.length >= maxReplies) return 'full';
  replies.push(given.reply);
  return 'joined';
}

/** The wait that begins; null where the locks are held. */
export function requestLocks(
  state: TermState,
  transaction: Transaction,
  given: {
    readonly wants: readonly LockWant[];
    readonly waitMs: number;
    readonly reply: LockReply | null;
  },
): LockRequest<Transaction> | null {
  const { nowMs, locks } = state;
  const { wants, waitMs, reply } = given;
  const request = locks.table.request({ owner: transaction, wants, nowMs });
  if (request === null) {
    startHolding(state, transaction);
    return null;
  }
  const untilMs = nowMs + waitMs;
  locks.waits.set(request, {
    replies: reply === null ? [] : [reply],
    waitMs,
    // Where the transaction's own time-out comes first or at once with it, that one is the reason
    // to name.
    timer:
      waitMs > 0 && untilMs < transaction.deadlineAtMs
        ? state.timers.schedule(untilMs, { type: 'lock', request })
        : null,
  });
  return request;
}

export function waitsForLocks({ locks }: TermState, transaction: Transaction): boolean {
  return locks.table.waits(transaction).size > 0;
}

/**
 * Who is to be aborted, and why, to break a deadlock of the transaction; null where there is none.
 */
export function deadlock(
  state: TermState,
  transaction: Transaction,
): { readonly victim: Transaction; readonly reason: AbortReason } | null {
  const cycle = cycleThrough(state.locks.table, transaction);
  if (cycle === null) return null;
  const victim = victimOf(cycle);
  // Who waits is PENDING (locking.ts). So is the youngest of those who do.
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
  const message = `The transaction was the youngest of those that waited for each other: ${told.join(', ')}${more}. Retry it.`;
  return { victim, reason: abortReason('DEADLOCK', { message, detail: { cycle: steps } }) };
}

function textOf(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key);
}

/** Why the wait must end now; null where it is over. */
export function lockTimeout(
  { locks }: TermState,
  request: LockRequest<Transaction>,
): AbortReason | null {
  const { owner: transaction } = request;
  const wait = locks.waits.get(request);
  if (wait === undefined || transaction.state !== 'PENDING') return null;
  const first = locks.table.blockersOf(request).next().value;
  const why =
    first === undefined
      ? 'the new leader was still reading who holds what'
      : `${namedFor(transaction, first.owner)} had ${textOf(lockNameParts(first.key).key)}, or was before it`;
  return abortReason('LOCK_TIMEOUT', {
    message: `A lock was not granted within ${wait.waitMs} ms: ${why}.`,
  });
}

export function startHolding(state: TermState, transaction: Transaction): void {
  const { lockHoldMs } = state.config.options;
  if (lockHoldMs === 0 || transaction.lockTimer !== null) return;
  const atMs = state.nowMs + lockHoldMs;
  transaction.lockTimer = state.timers.schedule(atMs, { type: 'lock-hold', transaction });
}

/**
 * All of `decisions/` was read: what earlier leaderships granted is held again, and this one may
 * grant.
 */
export function openLocks(state: TermState): void {
  for (const request of state.locks.table.open(state.nowMs)) state.locks.granted.push(request);
}

/** At the end of a step: those who got what they waited for hear of it, and run. */
export function serveGrants(
  state: TermState,
  freeze: (state: TermState, transaction: Transaction) => void,
): void {
  const { locks } = state;
  if (locks.granted.length === 0) return;
  for (let at = 0; at < locks.granted.length; at += 1) {
    const request = locks.granted[at] as LockRequest<Transaction>;
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
    const whole = !waitsForLocks(state, transaction);
    if (transaction.freezeWhenLocked && whole) freeze(state, transaction);
  }
  locks.granted = [];
}
