/** A client asks for locks of its transaction. */
import { defaultLockGroup, scopedLockGroup } from '../../locks/names.ts';
import type { Lock } from '../../messages.ts';
import { requestShard } from '../../request-shard.ts';
import type { Transaction } from '../../transaction.ts';
import { type Sender, senderOf } from '../events.ts';
import { ended as endedOf } from '../listing/listing.ts';
import { beyondLimits, countLocks, joinWait, newLockBytes, wantsOf } from '../locks/locks.ts';
import { askForLocks } from '../phase-one/phase-one.ts';
import { bytesProblem, hold, owns } from '../requests/requests.ts';
import type { TermState } from '../state.ts';

export function lock(state: TermState, from: Sender, message: Lock): void {
  const to = senderOf(from, message.id);
  const { txid } = message;
  const transaction = state.transactions.get(txid);
  if (transaction === undefined) {
    const ended = endedOf(state, txid);
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
  const joined = joinWait(state, transaction, { wants, reply });
  if (joined === 'full') state.fail(to, 'BUSY', { retryAfterMs: 250, txid });
  if (joined !== null) return;
  const bytes = newLockBytes(state, transaction, wants);
  const count = countLocks(state, transaction, wants);
  if (count !== 'held') {
    const problem = beyondLimits(state, { count, bytes: transaction.recordBytes + bytes });
    if (problem !== null) {
      state.fail(to, problem.code, { ...problem, txid });
      return;
    }
  }
  const noRoom = bytesProblem(state, transaction.origin, bytes);
  if (noRoom !== null) {
    state.fail(to, 'BUSY', { message: noRoom, retryAfterMs: 250, txid });
    return;
  }
  transaction.recordBytes += bytes;
  hold(state, transaction, bytes);
  const waits = askForLocks(state, transaction, { wants, waitMs: message.waitMs, reply });
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
