/** What is added to a PENDING transaction: locks, and branches by client or participant. */
import { equalValues } from '../../equal.ts';
import { defaultLockGroup, scopedLockGroup } from '../../locks/names.ts';
import type { Enlist, Lock } from '../../messages.ts';
import { requestShard } from '../../request-shard.ts';
import type { Transaction } from '../../transaction.ts';
import { weightOf } from '../../weight.ts';
import { type Sender, senderOf } from '../events.ts';
import { overload } from '../flow/flow.ts';
import { recent } from '../listing/listing.ts';
import { beyondLimits, joinWait, lockTable, wantsOf } from '../locks/locks.ts';
import { askForLocks } from '../phase-one/phase-one.ts';
import {
  beyondBranches,
  branchBytes,
  bytesProblem,
  heldBranchBytes,
  hold,
  isOwn,
  lockBytes,
} from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { joinTrace } from '../traced.ts';
import { addBranch } from './begin.ts';

/**
 * A participant that enlists itself owns its branch from then on. A client's enlist only names the
 * participant; the instance is chosen when the prepare is sent.
 */
export function enlist(state: TermState, from: Sender, message: Enlist): void {
  const { txid, participant, branch: name = participant, payload = null } = message;
  const to = senderOf(from, message.id);
  // Whoever knows the txid may take part itself, and has a veto then; it sees and changes nothing
  // of others.
  const itself = from.participant?.name === participant ? from.participant : null;
  const transaction = pending(state, from, message, itself !== null);
  if (transaction === null) return;
  const peer = state.connected.get(from.connection);
  const owner =
    itself === null
      ? null
      : {
          instance: itself.instance,
          sharedResource: peer?.sharedResource ?? null,
          process: peer?.process ?? null,
        };
  const reply = { type: 'enlisted', id: to.id, txid, branch: name } as const;
  const existing = transaction.branches.get(name);
  if (existing !== undefined) {
    const same =
      existing.participant === participant &&
      existing.instance === (owner?.instance ?? null) &&
      existing.process === (owner?.process ?? null) &&
      equalValues(existing.payload, payload);
    const message = `The transaction has a branch ${JSON.stringify(name)} with other content already: give this one a \`branch\` of its own.`;
    if (same) state.send(to.connection, reply);
    else state.fail(to, 'WRONG_STATE', { message, txid });
    return;
  }
  const bytes = branchBytes(state, { branch: name, participant }, owner);
  const payloadBytes = weightOf(payload);
  const refusal =
    beyondBranches(state, transaction.branches.size + 1, transaction.recordBytes + bytes) ??
    // What a participant enlists itself it has worked for already, and it waits for no place.
    (itself === null ? overload(state, [message], transaction.timeoutMs) : null) ??
    bytesProblem(state, transaction.origin, heldBranchBytes + payloadBytes);
  if (refusal !== null) {
    state.fail(to, refusal.code, { ...refusal, txid });
    return;
  }
  addBranch(state, transaction, message, { owner, payloadBytes });
  joinTrace(state, transaction, message);
  state.send(to.connection, reply);
}

/** A client asks for locks of its transaction. */
export function lock(state: TermState, from: Sender, message: Lock): void {
  const { txid, keys, waitMs } = message;
  const to = senderOf(from, message.id);
  const transaction = pending(state, from, message, false);
  if (transaction === null) return;
  const group = transaction.lockGroup ?? defaultGroupHere(state, transaction);
  if (group === null) {
    state.fail(to, 'WRONG_STATE', {
      message: `The transaction was begun in another shard than the lock group ${JSON.stringify(defaultLockGroup)} has: name a lockGroup when you begin it.`,
      txid,
    });
    return;
  }
  if (keys.length === 0) {
    state.fail(to, 'INVALID_MESSAGE', { message: 'lock.keys must name at least one key.', txid });
    return;
  }
  transaction.lockGroup = group;
  const wants = wantsOf(group, [message]);
  const reply = { ...to, keys };
  const joined = joinWait(state, transaction, { wants, reply });
  if (joined === 'full') state.fail(to, 'BUSY', { retryAfterMs: 250, txid });
  if (joined !== null) return;
  const table = lockTable(state);
  const counted = table.keysOf(transaction);
  const added = wants.filter(({ key }) => !counted.has(key));
  const bytes = lockBytes(added);
  const asked = {
    count: counted.size + added.length,
    bytes: transaction.recordBytes + bytes,
    more: added.length,
  };
  const refusal =
    (table.covers(transaction, wants) ? null : beyondLimits(state, asked, transaction.origin)) ??
    bytesProblem(state, transaction.origin, bytes);
  if (refusal !== null) {
    state.fail(to, refusal.code, { ...refusal, txid });
    return;
  }
  transaction.recordBytes += bytes;
  hold(state, transaction, bytes);
  const waits = askForLocks(state, transaction, { wants, waitMs, reply });
  if (!waits) state.send(to.connection, { type: 'locked', id: to.id, txid, keys });
}

const texts = {
  enlist: { added: 'branches are added', closed: 'its branches are those that it has' },
  lock: { added: 'locks are taken', closed: 'locks are taken before that' },
} as const;

/** The transaction, where it is still to be added to; null where that was refused. */
function pending(
  state: TermState,
  from: Sender,
  { type, id, txid }: Enlist | Lock,
  joins: boolean,
): Transaction | null {
  const to = senderOf(from, id);
  const transaction = state.transactions.get(txid);
  const ended = transaction === undefined ? recent(state).get(txid) : null;
  const known = transaction ?? ended;
  if (known === null || !(joins || isOwn(from, known))) {
    state.fail(to, 'UNKNOWN_TRANSACTION', { txid });
    return null;
  }
  // One with a request id is frozen from its beginning: it may be PENDING while the log is asked
  // about the id, but its content is what the hash says. One that waits for locks may have been
  // told to commit.
  if (
    transaction?.state !== 'PENDING' ||
    transaction.requestId !== null ||
    transaction.freezeWhenLocked
  ) {
    const { added, closed } = texts[type];
    const message =
      transaction?.state === 'PENDING'
        ? `The transaction is a one-shot request, or its commit was asked for: ${closed}.`
        : `The transaction is ${transaction?.state ?? ended?.status.state}: ${added} while it is PENDING.`;
    state.fail(to, 'WRONG_STATE', { message, txid });
    return null;
  }
  return transaction;
}

function defaultGroupHere(state: TermState, { owner }: Transaction): string | null {
  const { shard, shards } = state.config;
  const group = owner === null ? defaultLockGroup : scopedLockGroup(owner.name);
  return requestShard(group, shards) === shard ? group : null;
}
