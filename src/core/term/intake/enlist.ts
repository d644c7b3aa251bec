/** A branch is added: by its participant, or by the client. */
import { equalValues } from '../../equal.ts';
import type { Enlist } from '../../messages.ts';
import type { Transaction } from '../../transaction.ts';
import { weightOf } from '../../weight.ts';
import { type Sender, senderOf } from '../events.ts';
import { ended as endedOf } from '../listing/listing.ts';
import { branchBytes, bytesProblem, heldBranchBytes, owns } from '../requests/requests.ts';
import type { TermState } from '../state.ts';
import { addBranch } from './begin.ts';

/**
 * A participant that enlists itself owns its branch from then on. A client's enlist only names the
 * participant; the instance is chosen when the prepare is sent.
 */
export function enlist(state: TermState, from: Sender, message: Enlist): void {
  const to = senderOf(from, message.id);
  // Whoever knows the txid may take part itself, and has a veto then; it sees and changes nothing
  // of others.
  const joins = from.participant !== null && from.participant.name === message.participant;
  const transaction = state.transactions.get(message.txid);
  if (transaction === undefined) {
    const ended = endedOf(state, message.txid);
    if (ended === null || !(joins || owns(from, ended)))
      state.fail(to, 'UNKNOWN_TRANSACTION', { txid: message.txid });
    else state.fail(to, 'WRONG_STATE', wrongState(message.txid, ended.status.state));
    return;
  }
  if (!joins && !owns(from, transaction)) {
    state.fail(to, 'UNKNOWN_TRANSACTION', { txid: message.txid });
    return;
  }
  // One with a request id is frozen from its beginning: it may be PENDING while the log is asked
  // about the id, but its content is what the hash says. One that waits for locks may have been
  // told to commit.
  if (
    transaction.state !== 'PENDING' ||
    transaction.requestId !== null ||
    transaction.freezeWhenLocked
  ) {
    state.fail(to, 'WRONG_STATE', wrongState(message.txid, transaction.state));
    return;
  }
  const owner =
    joins && from.participant !== null
      ? {
          instance: from.participant.instance,
          sharedResource: state.connected.get(from.connection)?.sharedResource ?? null,
          process: state.connected.get(from.connection)?.process ?? null,
        }
      : null;
  const name = message.branch ?? message.participant;
  const reply = { type: 'enlisted', id: message.id, txid: message.txid, branch: name } as const;
  const existing = transaction.branches.get(name);
  if (existing !== undefined) {
    const same =
      existing.participant === message.participant &&
      existing.instance === (owner?.instance ?? null) &&
      existing.process === (owner?.process ?? null) &&
      equalValues(existing.payload, message.payload ?? null);
    if (same) state.send(to.connection, reply);
    else {
      state.fail(to, 'WRONG_STATE', {
        message: `The transaction has a branch ${JSON.stringify(name)} with other content already: give this one a \`branch\` of its own.`,
        txid: message.txid,
      });
    }
    return;
  }
  const { maxBranches, maxRecordBytes } = state.config.options;
  if (transaction.branches.size >= maxBranches) {
    state.fail(to, 'LIMIT_EXCEEDED', {
      message: `A transaction has at most ${maxBranches} branches.`,
      txid: message.txid,
    });
    return;
  }
  const bytes = branchBytes(state, { branch: name, participant: message.participant }, owner);
  if (transaction.recordBytes + bytes > maxRecordBytes) {
    state.fail(to, 'TOO_LARGE', {
      message: `The decision record would pass ${maxRecordBytes} bytes: use fewer branches or shorter names.`,
      txid: message.txid,
    });
    return;
  }
  const payloadBytes = weightOf(message.payload ?? null);
  const problem = bytesProblem(state, transaction.origin, heldBranchBytes + payloadBytes);
  if (problem !== null) {
    state.fail(to, 'BUSY', { message: problem, retryAfterMs: 250, txid: message.txid });
    return;
  }
  addBranch(state, transaction, message, { owner, payloadBytes });
  state.send(to.connection, reply);
}

function wrongState(
  txid: Transaction['txid'],
  state: Transaction['state'],
): { message: string; txid: Transaction['txid'] } {
  const message =
    state === 'PENDING'
      ? 'The transaction is a one-shot request, or its commit was asked for: its branches are those that it has.'
      : `The transaction is ${state}: branches are added while it is PENDING.`;
  return { message, txid };
}
