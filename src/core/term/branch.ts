/**
 * One branch as the leader of its transaction holds it, and the one table that says how its state
 * may change. (What the participant knows of it is in core/branch.)
 *
 *     enlisted -> preparing -> prepared -> committing -> committed
 *        |         |  ^  |        |
 *        |         v  |  |        +-----> rolling-back -> rolled-back
 *        +-> unreachable |
 *                        +-> readonly, refused
 *
 * An abort takes every branch that may hold something to rolling-back: all but those that voted
 * `readonly` or `abort`. Where no one is there to be told it is over at once: absence means abort.
 */
import { InvariantViolation } from '../invariants.ts';
import type { BranchState, TransactBranch } from '../messages.ts';
import type { SettledByHand } from '../records.ts';
import type { TimerHandle } from '../timer-wheel.ts';
import { type Transaction, unknown } from '../transaction.ts';
import type { ConnectedParticipant } from './connected.ts';

/** What can happen to a branch. */
export type BranchEvent =
  /** Its prepare leaves; again, where the connection that carried it is gone. */
  | 'prepare'
  /** Its prepare is due, and its participant has no connection. */
  | 'unreachable'
  | 'voted-commit'
  | 'voted-readonly'
  | 'voted-abort'
  /** The commit of its transaction is durable. */
  | 'commit'
  /** The abort of its transaction is decided. */
  | 'roll-back'
  /** Acknowledged, or an operator spoke for it, or no one is left who could acknowledge it. */
  | 'settled';

type Row = Readonly<Partial<Record<BranchEvent, BranchState>>>;

/** What is not here cannot happen in that state. */
const table: Readonly<Record<BranchState, Row>> = {
  enlisted: { prepare: 'preparing', unreachable: 'unreachable', 'roll-back': 'rolling-back' },
  unreachable: { prepare: 'preparing', 'roll-back': 'rolling-back' },
  preparing: {
    prepare: 'preparing',
    unreachable: 'unreachable',
    'voted-commit': 'prepared',
    'voted-readonly': 'readonly',
    'voted-abort': 'refused',
    'roll-back': 'rolling-back',
  },
  prepared: { commit: 'committing', 'roll-back': 'rolling-back' },
  readonly: {},
  refused: {},
  committing: { settled: 'committed' },
  committed: {},
  'rolling-back': { settled: 'rolled-back' },
  'rolled-back': {},
};

export interface Branch {
  readonly transaction: Transaction;
  readonly branch: string;
  readonly participant: string;
  payload: unknown;
  /** What its payload counts in `heldBytes`, until its vote. */
  payloadBytes: number;
  /** Changed by `moveBranch` alone. */
  readonly state: BranchState;
  /** To which the prepare was first sent, or that enlisted itself: no other is asked to prepare. */
  instance: string | null;
  /** Of several that share the instance, the one that has it; null where it is not known. */
  process: string | null;
  /** Its participant enlisted itself: its work is in that process alone. */
  readonly enlistedItself: boolean;
  /** The instance whose acknowledgement counted, or an operator's word. */
  settledBy: string | ByHand | null;
  sharedResource: string | null;
  /** It carries the latest prepare, and later the latest command: votes count only from there. */
  connection: number | null;
  result: unknown;
  /** Commands of phase 2 sent, or due while there was no one to send them to. */
  attempts: number;
  lastError: string | null;
  timer: TimerHandle | null;
  /** When the prepare's own limit ends; null before it was sent. */
  prepareUntilMs: number | null;
  /** Its place among the prepares of its participant that are under way. */
  holdsPlace: boolean;
  /**
   * When its prepare was first sent, in microseconds after the begin of its transaction; `unknown`
   * until then, as those below.
   */
  sentUs: number;
  votedUs: number;
  /** When it had acknowledged the outcome, or owed nothing any more. */
  settledUs: number;
  /** When its prepare was sent, until the first sign of life; null where it is not measured. */
  silentSinceMs: number | null;
  /** What it adds to the bound of its transaction's record. */
  recordBytes: number;
  /** Where its command of phase 2 is with respect to the window of its connection. */
  command: 'none' | 'waiting' | 'sent';
}

/** An operator's word that it was settled by hand. It may acknowledge all the same. */
export interface ByHand {
  readonly mark: SettledByHand;
  acknowledgedBy: string | null;
  /** Instances that say they know nothing of it: they are not told again. */
  readonly unknownTo: readonly string[];
}

export function byHandOf({ settledBy }: Branch): ByHand | null {
  return typeof settledBy === 'object' ? settledBy : null;
}

export function acknowledgedBy({ settledBy }: Branch): string | null {
  return typeof settledBy === 'object' ? (settledBy?.acknowledgedBy ?? null) : settledBy;
}

/** The owner of a branch: the instance that enlisted itself, or is named in the record. */
export type BranchOwner = Pick<ConnectedParticipant, 'instance' | 'sharedResource' | 'process'>;

/** `owner`: null where it will belong to the instance that gets its prepare. */
export function newBranch(
  transaction: Transaction,
  given: TransactBranch,
  owner: BranchOwner | null,
): Branch {
  const { recovered } = transaction;
  return {
    transaction,
    branch: given.branch ?? given.participant,
    participant: given.participant,
    payload: given.payload ?? null,
    payloadBytes: 0,
    state: recovered ? 'prepared' : 'enlisted',
    instance: owner?.instance ?? null,
    sharedResource: owner?.sharedResource ?? null,
    process: owner?.process ?? null,
    enlistedItself: owner !== null && !recovered,
    settledBy: null,
    connection: null,
    result: undefined,
    attempts: 0,
    lastError: null,
    timer: null,
    prepareUntilMs: null,
    holdsPlace: false,
    sentUs: unknown,
    votedUs: unknown,
    settledUs: unknown,
    silentSinceMs: null,
    recordBytes: 0,
    command: 'none',
  };
}

/** Of one that has a command of phase 2: whether it had voted `commit` before. */
export function wasPrepared({ transaction, votedUs }: Branch): boolean {
  return transaction.recovered || votedUs !== unknown;
}

export function moveBranch(branch: Branch, event: BranchEvent): void {
  const next = table[branch.state][event];
  if (next === undefined) {
    const { transaction, state } = branch;
    throw new InvariantViolation(
      event === 'commit' || event === 'roll-back' || event === 'settled' ? 'I1' : 'I3',
      `${transaction.txid}/${branch.branch}: ${event} in ${state}`,
    );
  }
  (branch as { state: BranchState }).state = next;
}
