/**
 * Requests: whose a transaction is, who waits for its outcome and what they are told, what its
 * request id stands for, and what it holds of the node's memory. The door of the room.
 *
 * What a transaction holds is counted to whoever began it, so that no peer can use up what all
 * need. A request that would take more than its peer's share is refused before anything is done for
 * it. What a participant brings with its vote cannot be refused without an abort: a result that
 * finds no room is left out, which clients must expect of any outcome, and so is an abort's detail.
 */
import { heldBytesOf, type Origin, Shares } from '../../shares.ts';
import type { Transaction } from '../../transaction.ts';
import { weightOf } from '../../weight.ts';
import { busy, type Refusal } from '../events.ts';
import type { TermConfig, TermState } from '../state.ts';
import { RequestTable } from './request-table.ts';

export {
  abortedMessage,
  abortedRead,
  answer,
  answerAborted,
  answerDuplicate,
  answerWaiters,
  committedMessage,
  endRequest,
  failWaiters,
  sourceOf,
  wait,
} from './outcome.ts';
export { isOwn, namedFor, owns, sees, shownTo, takesPart } from './owner.ts';
export {
  beyondBranches,
  beyondRecord,
  branchBytes,
  emptyRecordBytes,
  lockBytes,
  measure,
  ownerBytes,
  tooLarge,
} from './record-size.ts';
export type { RequestMemory } from './request-table.ts';

export interface RequestsState {
  readonly table: RequestTable;
  /** What peers may take of `maxTransactions` and of `maxHeldBytes`. */
  readonly places: Shares;
  readonly heldBytes: Shares;
}

export function requestsState({ options, heldBytes: shared }: TermConfig): RequestsState {
  const places = new Shares(options.maxTransactions, 'transactions');
  const heldBytes = shared ?? new Shares(heldBytesOf(options));
  const shares = new Shares(options.maxRequests, 'requestIds');
  const table = new RequestTable({ shares, maxEndedBytes: maxEndedBytes(heldBytes) });
  return { table, places, heldBytes };
}

/** What has ended may hold a quarter of what lives: half of it here, half among the recent. */
export function maxEndedBytes(heldBytes: Shares): number {
  return Math.floor(heldBytes.total / 8);
}

export function requestTable({ requests }: TermState): RequestTable {
  return requests.table;
}

/** Beyond the window, for what was under way when a request ended. */
const memoryMarginMs = 60_000;

/** `logged`: keys that the log holds. */
export function forgetRequests(state: TermState, logged: number): void {
  const { table } = state.requests;
  table.logged = logged;
  table.forgetBefore(state.nowMs - state.config.requestWindowMs - memoryMarginMs);
}

/** About what the leader's own memory of it takes. */
export const transactionBytes = 1_024;
export const heldBranchBytes = 512;

/** Why nothing more may begin; null where it may. */
export function shareProblem(
  state: TermState,
  origin: Origin | undefined,
  bytes: number,
): Refusal | null {
  if (origin === undefined) return null;
  const { places } = state.requests;
  if (places.admits(origin, 1)) return bytesProblem(state, origin, bytes);
  const quota = places.exceeded(origin, 1);
  return busy(
    quota === null
      ? `This peer has its share of the ${places.total} transactions that the node holds.`
      : `This identity has its quota of ${quota} transactions. End some, or raise "quotas.transactions" in the access file.`,
  );
}

export function bytesProblem(
  state: TermState,
  origin: Origin | null,
  bytes: number,
): Refusal | null {
  const { heldBytes } = state.requests;
  if (origin === null || heldBytes.admits(origin, bytes)) return null;
  return busy(
    `The transactions of this peer hold its share of the ${heldBytes.total} bytes that the node has for all. Send less at once, or end some.`,
  );
}

export function hold(state: TermState, transaction: Transaction, bytes: number): void {
  if (transaction.origin === null || bytes === 0) return;
  transaction.heldBytes += bytes;
  state.requests.heldBytes.take(transaction.origin, bytes);
}

/** Whether there is room for what a vote brought, which is then held. */
export function holdsVoted(state: TermState, transaction: Transaction, value: unknown): boolean {
  if (value === undefined) return true;
  const bytes = weightOf(value);
  if (bytesProblem(state, transaction.origin, bytes) !== null) return false;
  hold(state, transaction, bytes);
  return true;
}

/** A transaction begins. */
export function takePlace(state: TermState, transaction: Transaction, bytes: number): void {
  if (transaction.origin !== null) state.requests.places.take(transaction.origin, 1);
  hold(state, transaction, bytes);
}

/** It is out of memory, or the whole term is. */
export function letGo(state: TermState, transaction: Transaction): void {
  hold(state, transaction, -transaction.heldBytes);
  if (transaction.origin !== null) state.requests.places.take(transaction.origin, -1);
}
