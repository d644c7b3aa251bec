/**
 * Whose a transaction is, and who may see and change it (docs/PROTOCOL.md, section 7).
 *
 * Whoever learns a txid that is not its own could otherwise commit it half-enlisted: its client
 * adds the second branch a moment later, is told WRONG_STATE, and one of two services has
 * committed. So for all others it does not exist.
 */
import type { TransactionStatus } from '../../messages.ts';
import type { Transaction } from '../../transaction.ts';
import { maskedTxid, type Txid } from '../../txid.ts';
import type { Owner, Sender } from '../events.ts';

/** Whether the sender may roll it back. */
export function owns(from: Sender, { owner }: { readonly owner: Owner | null }): boolean {
  return from.endsAll === true || isOwn(from, { owner });
}

/** Whether it is its client's, or was handed to it. */
export function isOwn(from: Sender, { owner }: { readonly owner: Owner | null }): boolean {
  if (from.hasShare === true) return true;
  const client = from.client ?? null;
  if (client === null || owner === null) return client === owner;
  return isSameClient(client, owner) && client.instance === owner.instance;
}

function isSameClient(one: Owner, other: Owner): boolean {
  return one.name === other.name && one.identity === other.identity;
}

/**
 * Whether it may look: clients of one name, too. A process that was started again asks for what it
 * had begun, and one that sends a request of another under the same id is told the txid of the one
 * that ran.
 */
export function sees(from: Sender, of: { readonly owner: Owner | null }): boolean {
  if (from.seesAll === true || isOwn(from, of)) return true;
  return from.client !== undefined && of.owner !== null && isSameClient(from.client, of.owner);
}

/** Whether a branch of it is the sender's. An operator asks for everyone. */
export function takesPart(
  { participant, endsAll }: Sender,
  branches: Iterable<{ readonly participant: string }>,
): boolean {
  if (endsAll === true || participant === null) return true;
  for (const branch of branches) if (branch.participant === participant.name) return true;
  return false;
}

/** Of what only the log remembers the owner is unknown: strangers learn its outcome and no more. */
export function shownTo(from: Sender, view: TransactionStatus): TransactionStatus {
  const { participant, hasShare, seesAll, client } = from;
  if (hasShare === true || seesAll === true) return view;
  if (participant !== null && takesPart(from, view.branches)) return view;
  if (participant === null && client === undefined) return view;
  const { txid, state, attention, ageMs } = view;
  return { txid, state, attention, ageMs, branches: [] };
}

/** How a competitor may be told of another: clients of one name know each other's. */
export function namedFor(transaction: Transaction, other: Transaction): Txid {
  return transaction.owner?.name === other.owner?.name ? other.txid : maskedTxid(other.txid);
}
