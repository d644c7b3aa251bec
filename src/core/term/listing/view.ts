/** A transaction in memory as it is shown. */
import type { TransactionStatus } from '../../messages.ts';
import { unscoped } from '../../scope.ts';
import type { Transaction } from '../../transaction.ts';
import type { TermState } from '../state.ts';

export function viewOf(transaction: Transaction): Omit<TransactionStatus, 'ageMs'> {
  return {
    txid: transaction.txid,
    state: transaction.state,
    attention: transaction.attention,
    branches: [...transaction.branches.values()].map((branch) => ({
      branch: branch.branch,
      participant: branch.participant,
      state: branch.state,
      attempts: branch.attempts,
      ...(branch.lastError === null ? {} : { lastError: branch.lastError }),
    })),
    ...(transaction.reason === null ? {} : { reason: transaction.reason }),
    ...(transaction.requestId === null ? {} : { requestId: unscoped(transaction.requestId) }),
    ...(transaction.labels === null ? {} : { labels: transaction.labels }),
  };
}

export function age(state: TermState, startedAtMs: number): number {
  return Math.max(0, Math.round(state.nowMs - startedAtMs));
}
