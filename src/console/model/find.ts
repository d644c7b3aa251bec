/** One box for any id, and the filters of the list of transactions. */
import type { TransactionState, TransactionStatus } from '../../core/messages.ts';
import { isTxid } from '../../core/txid.ts';

export type Only = 'all' | 'running' | 'stuck' | 'failed';

export interface Filter {
  readonly state: TransactionState | '';
  readonly only: Only;
  readonly text: string;
}

export const noFilter: Filter = { state: '', only: 'all', text: '' };

/** What is typed names one transaction: it is shown, whether or not it is in a list. */
export function txidIn(text: string): string | null {
  const trimmed = text.trim();
  return isTxid(trimmed) ? trimmed : null;
}

export function fits(transaction: TransactionStatus, { state, only, text }: Filter): boolean {
  if (state !== '' && transaction.state !== state) return false;
  if (only === 'running' && isOver(transaction)) return false;
  if (only === 'stuck' && !isStuck(transaction)) return false;
  if (only === 'failed' && !isFailed(transaction)) return false;
  const wanted = text.trim().toLowerCase();
  return wanted === '' || words(transaction).some((word) => word.toLowerCase().includes(wanted));
}

export function isOver({ state }: Pick<TransactionStatus, 'state'>): boolean {
  return state === 'COMMITTED' || state === 'ABORTED';
}

/** It is flagged, is retried, or has waited for long. */
export function isStuck(transaction: TransactionStatus): boolean {
  const { attention, branches, ageMs, locks = [] } = transaction;
  if (attention) return true;
  if (isOver(transaction)) return false;
  return (
    ageMs > longMs ||
    branches.some(({ attempts, lastError }) => attempts > 1 || lastError !== undefined) ||
    locks.some(({ held, forMs }) => !held && forMs > longWaitMs)
  );
}

const longMs = 30_000;
const longWaitMs = 5_000;

/** It aborted, and no one asked for that. */
export function isFailed({ state, reason }: TransactionStatus): boolean {
  return (state === 'ABORTED' || state === 'ABORTING') && reason?.code !== 'ROLLED_BACK';
}

function words({ txid, requestId = '', labels = {}, branches, reason }: TransactionStatus) {
  return [
    txid,
    requestId,
    ...Object.entries(labels).flatMap(([key, value]) => [value, `${key}=${value}`]),
    ...branches.flatMap(({ branch, participant }) => [branch, participant]),
    reason?.code ?? '',
  ];
}
