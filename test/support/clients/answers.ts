/** What a node answers of an interactive transaction. */
import type { OutcomeMessage } from '../../../src/core/messages.ts';
import type { Txid } from '../../../src/core/txid.ts';
import { txidOf } from '../samples/messages.ts';

export const txid: Txid = txidOf(1);
export const begun: {
  readonly type: 'begun';
  readonly txid: Txid;
  readonly timeoutMs: number;
  readonly share: string;
} = { type: 'begun', txid, timeoutMs: 2_000, share: 'share-1' };

type Outcome = Omit<OutcomeMessage, 'id'>;
type Aborted = Outcome & Required<Pick<OutcomeMessage, 'reason'>>;

export const committed: Outcome = {
  type: 'outcome',
  txid,
  outcome: 'committed',
  results: { a: 1 },
};
export const rolledBack: Aborted = {
  type: 'outcome',
  txid,
  outcome: 'aborted',
  results: null,
  reason: { code: 'ROLLED_BACK', message: 'so wished', retryable: false },
};
export const conflict: Aborted = {
  ...rolledBack,
  reason: { code: 'CONFLICT', message: 'stale', retryable: true },
};
