/**
 * Named locks of transactions (docs/PROTOCOL.md, section 9): limits, waits, deadlocks, grants, and
 * letting go. What is to be aborted or frozen is the caller's. The door of the room.
 *
 * An abort lets go as soon as it is decided; a commit when every branch has acknowledged, or
 * belongs to an instance that was retired: until then another holder could read at a participant
 * what the commit has not yet changed there. For the same reason the decision record names the
 * locks, and the next leader holds them again before it grants any.
 */
import { type AbortReason, abortReason } from '../../catalogue.ts';
import { uphold } from '../../invariants.ts';
import { cycleThrough, victimOf } from '../../locks/cycle.ts';
import { lockName, lockNameParts } from '../../locks/names.ts';
import { type LockRequest, LockTable, type LockWant, normalWants } from '../../locks/table.ts';
import type { RecordedLocks } from '../../records.ts';
import { type Origin, Shares } from '../../shares.ts';
import type { TimerHandle } from '../../timer-wheel.ts';
import { deadlineAtMs, type Transaction } from '../../transaction.ts';
import type { Txid } from '../../txid.ts';
import { busy, type Refusal, type ReplyTo } from '../events.ts';
import { beyondRecord, namedFor } from '../requests/requests.ts';
import type { TermState } from '../state.ts';

export { blockedBy, type LockListing, listLocks, locksOf } from './status.ts';

/** Askers of one wait: beyond them someone repeats himself in a loop. */
const maxReplies = 100;

/** An open `lock` request. */
export interface LockReply extends ReplyTo {
  readonly keys: readonly string[];
}

/** Locks that a transaction asks for. */
export interface LockAsk {
  readonly wants: readonly LockWant[];
  readonly waitMs: number | undefined;
  readonly reply: LockReply | null;
  /** They were counted as the transaction began. */
  readonly isCounted?: boolean;
}

/** Who learns of the end of a wait. */
interface LockWait {
  readonly replies: LockReply[];
  readonly waitMs: number;
  readonly timer: TimerHandle | null;
}

export class LocksState {
  /** Held and waited for, of each origin: bounded by its own quota alone. */
  readonly shares: Shares = new Shares(Number.MAX_SAFE_INTEGER, 'locks');
  readonly table: LockTable<Transaction> = new LockTable();
  readonly waits: Map<LockRequest<Transaction>, LockWait> = new Map();
  /** To be served at the end of the step. */
  granted: LockRequest<Transaction>[] = [];
}

export function hasGranted({ locks }: TermState): boolean {
  return locks.granted.length > 0;
}

export function lockTable({ locks }: TermState): LockTable<Transaction> {
  return locks.table;
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

/**
 * Why so many locks, or so many bytes of them, are not taken; null where they are. `more`: than the
 * transaction has already.
 */
export function beyondLimits(
  state: TermState,
  asked: { readonly count: number; readonly bytes: number; readonly more: number },
  origin: Origin | null,
): Refusal | null {
  const { maxLocks, maxLockWaiters } = state.config.options;
  if (asked.count > maxLocks) {
    return { code: 'LIMIT_EXCEEDED', message: `A transaction locks at most ${maxLocks} keys.` };
  }
  if (origin !== null && !state.locks.shares.admits(origin, asked.more)) {
    return busy(
      `This identity has its quota of ${origin.max?.locks} locks. End some transactions, or raise "quotas.locks" in the access file.`,
    );
  }
  const tooLarge = beyondRecord(state, asked.bytes, 'lock fewer or shorter keys');
  if (tooLarge !== null || state.locks.table.waiting < maxLockWaiters) return tooLarge;
  return busy(`${maxLockWaiters} requests wait for locks of this shard already.`);
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
  { wants, waitMs = state.config.options.lockWaitMs, reply, isCounted = false }: LockAsk,
): LockRequest<Transaction> | null {
  const { nowMs, locks } = state;
  if (!isCounted) {
    const counted = locks.table.keysOf(transaction);
    countLocks(state, transaction, wants.filter(({ key }) => !counted.has(key)).length);
  }
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
      waitMs > 0 && untilMs < deadlineAtMs(transaction)
        ? state.timers.schedule(untilMs, { type: 'lock', request })
        : null,
  });
  return request;
}

/** Whose abort breaks a deadlock of the transaction, and why; null where there is none. */
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

/** `decisions/` was read: what earlier leaderships granted is held, and this one may grant. */
export function openLocks(state: TermState): void {
  for (const request of state.locks.table.open(state.nowMs)) state.locks.granted.push(request);
}

/** At the end of a step: tells those who got what they waited for, and runs them. */
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
    const waits = locks.table.waits(transaction).size > 0;
    if (transaction.freezeWhenLocked && !waits) freeze(state, transaction);
  }
  locks.granted = [];
}

/** Before they are asked for (!): a one-shot may first have to wait for the log. */
export function countLocks({ locks }: TermState, transaction: Transaction, count: number): void {
  if (transaction.origin?.max?.locks === undefined) return;
  transaction.lockCount += count;
  locks.shares.take(transaction.origin, count);
}

/** What is granted by it is served at the end of the step. */
export function releaseLocks(state: TermState, transaction: Transaction): void {
  countLocks(state, transaction, -transaction.lockCount);
  if (transaction.lockTimer !== null) {
    state.timers.cancel(transaction.lockTimer);
    transaction.lockTimer = null;
  }
  failLockWaits(state, transaction);
  for (const request of state.locks.table.release(transaction, state.nowMs)) {
    state.locks.granted.push(request);
  }
}

/** It was aborted while it waited. */
export function failLockWaits(state: TermState, transaction: Transaction): void {
  for (const request of state.locks.table.waits(transaction)) {
    const wait = endWait(state, request);
    if (wait !== null) failAskers(state, transaction, wait);
  }
}

/** The wait is over, however it went. */
function endWait(state: TermState, request: LockRequest<Transaction>): LockWait | null {
  const wait = state.locks.waits.get(request);
  if (wait === undefined) return null;
  state.locks.waits.delete(request);
  if (wait.timer !== null) state.timers.cancel(wait.timer);
  return wait;
}

/** Tells those who asked for a lock of an aborted transaction why there is none. */
function failAskers(state: TermState, transaction: Transaction, wait: LockWait): void {
  const { reason, txid } = transaction;
  const lost = reason?.code === 'DEADLOCK' || reason?.code === 'LOCK_TIMEOUT';
  const code = lost ? reason.code : 'WRONG_STATE';
  const message = lost
    ? reason.message
    : `The transaction was aborted while it waited for a lock (${reason?.code ?? 'ABORTED'}). Ask for its status, or roll it back, to learn more.`;
  for (const to of wait.replies) state.fail(to, code, { message, txid });
}

/** For the decision record; undefined where it holds none. */
export function recordedLocks(
  state: TermState,
  transaction: Transaction,
): RecordedLocks | undefined {
  const held = state.locks.table.held(transaction);
  if (held.size === 0 || transaction.lockGroup === null) return undefined;
  const exclusive: string[] = [];
  const shared: string[] = [];
  for (const [name, { mode }] of held) {
    (mode === 'exclusive' ? exclusive : shared).push(lockNameParts(name).key);
  }
  return { group: transaction.lockGroup, exclusive, shared };
}

export function holdAgain(state: TermState, transaction: Transaction, locks: RecordedLocks): void {
  const { group, exclusive, shared } = locks;
  const want =
    (mode: LockWant['mode']) =>
    (key: string): LockWant => ({ key: lockName(group, key), mode });
  const wants = [...exclusive.map(want('exclusive')), ...shared.map(want('shared'))];
  state.locks.table.hold(transaction, wants, state.nowMs);
}
