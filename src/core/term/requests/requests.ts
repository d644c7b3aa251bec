/**
 * Requests: whose a transaction is, who waits for its outcome and what they are told, what its
 * request id stands for, and what it holds of the node's memory. The door of the room.
 */
import { heldBytesOf, type Origin, Shares } from '../../shares.ts';
import type { TermConfig, TermState } from '../state.ts';
import { type RequestMemory, RequestTable } from './request-table.ts';

export {
  branchBytes as heldBranchBytes,
  bytesProblem,
  hold,
  holdsVoted,
  letGo,
  shareProblem,
  takePlace,
  transactionBytes,
} from './holdings.ts';
export {
  abortedRead,
  answer,
  answerAborted,
  answerDuplicate,
  answerWaiters,
  endRequest,
  failWaiters,
  sourceOf,
  wait,
} from './outcome.ts';
export { namedFor, owns, sees, shownTo, takesPart } from './owner.ts';
export {
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
  const places = new Shares(options.maxTransactions);
  const heldBytes = shared ?? new Shares(heldBytesOf(options));
  const shares = new Shares(options.maxRequests);
  const table = new RequestTable({ shares, maxEndedBytes: maxEndedBytes(heldBytes) });
  return { table, places, heldBytes };
}

/**
 * What has ended may hold a quarter as much as what lives: half of it here, half among the recent.
 */
export function maxEndedBytes(heldBytes: Shares): number {
  return Math.floor(heldBytes.total / 8);
}

export function requestMemory({ requests }: TermState, requestId: string): RequestMemory | null {
  return requests.table.get(requestId);
}

/** Why no more request ids are remembered, as text for the peer; null where there is room. */
export function requestsProblem(state: TermState, origin: Origin | undefined): string | null {
  const { table } = state.requests;
  const { maxRequests } = state.config.options;
  if (Math.max(table.logged, table.size) >= maxRequests) {
    return `The node remembers its limit of ${maxRequests} request ids.`;
  }
  return table.admits(origin)
    ? null
    : `This peer has its share of the ${maxRequests} request ids that the node remembers.`;
}

export function runRequest({ requests }: TermState, memory: RequestMemory): void {
  requests.table.run(memory);
}

export function isRequestLive({ requests }: TermState, requestId: string): boolean {
  return requests.table.isLive(requestId);
}

/** A commit under a request id is in the log. */
export function requestLogged({ requests }: TermState): void {
  requests.table.logged += 1;
}

/** Beyond the window, for what was under way when a request ended. */
const memoryMarginMs = 60_000;

/** `logged`: keys that the log holds. */
export function forgetRequests(state: TermState, logged: number): void {
  const { table } = state.requests;
  table.logged = logged;
  table.forgetBefore(state.nowMs - state.config.requestWindowMs - memoryMarginMs);
}
