/**
 * What met what: for each fault as it happens, in which phase each transaction was that had not
 * ended, and in which state each branch was on its participant's disk. A fault that never met a
 * phase has proved nothing about it.
 */
import type { Facts, Transaction } from './check/facts.ts';

export const transactionPhases = [
  /** Begun, no prepare sent. */
  'begun',
  /** A prepare was sent, a vote is missing. */
  'preparing',
  /** Every vote is on its disk, nothing is recorded. */
  'voted',
  /** The commit is recorded; some branch has not acknowledged durably. */
  'committing',
  /** Every branch has; the record is still under decisions/. */
  'acknowledged',
  'finished',
  /** Somebody was told that it is aborted. */
  'aborted',
] as const;
export type TransactionPhase = (typeof transactionPhases)[number];

export const branchPhases = [
  'none',
  'started',
  'prepared',
  'readonly',
  'committed',
  'tombstone',
] as const;

export class Coverage {
  readonly cells: Map<string, number> = new Map();
  readonly #facts: Facts;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  /** Something happens to everything that is under way. */
  met(event: string): void {
    for (const transaction of this.#facts.all()) this.meets(transaction, event);
  }

  meets(transaction: Transaction, event: string): void {
    const phase = phaseOf(this.#facts, transaction);
    this.#count(`${phase} x ${event}`);
    for (const [name, participant] of transaction.asked) {
      const { state } = this.#facts.branch(transaction.txid, participant, name);
      this.#count(`branch ${state ?? 'none'} x ${event}`);
    }
  }

  #count(cell: string): void {
    this.cells.set(cell, (this.cells.get(cell) ?? 0) + 1);
  }
}

function phaseOf(facts: Facts, transaction: Transaction): TransactionPhase {
  const { txid, record, asked, finished, saidAborted } = transaction;
  if (finished) return 'finished';
  if (record !== null) {
    const owing = record.branches.some(
      ({ participant, branch }) => !facts.branch(txid, participant, branch).wasCommitted,
    );
    return owing ? 'committing' : 'acknowledged';
  }
  if (saidAborted !== null) return 'aborted';
  if (asked.size === 0) return 'begun';
  for (const [name, participant] of asked) {
    const { state } = facts.branch(txid, participant, name);
    if (state !== 'prepared' && state !== 'readonly') return 'preparing';
  }
  return 'voted';
}
