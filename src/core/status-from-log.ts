/** The status of a transaction of which only the log knows: as far as its record tells. */
import type { Decision, TransactionStatus } from './messages.ts';
import type { DecisionRecord } from './records.ts';
import { unscoped } from './scope.ts';
import type { Txid } from './txid.ts';

export function statusFromLog(
  txid: Txid,
  known: {
    readonly decision: Decision;
    readonly record: { readonly finished: boolean; readonly record: DecisionRecord | null } | null;
    readonly wallMs: number;
  },
): TransactionStatus {
  const record = known.record?.record ?? null;
  const finished = known.record?.finished ?? true;
  const state = finished ? 'COMMITTED' : 'COMMITTING';
  return {
    txid,
    state: known.decision === 'commit' ? state : 'ABORTED',
    attention: false,
    branches: (record?.branches ?? []).map(({ branch, participant }) => ({
      branch,
      participant,
      state: finished ? 'committed' : 'committing',
      attempts: 0,
    })),
    ageMs: record === null ? 0 : Math.max(0, Math.round(known.wallMs - record.atMs)),
    ...(record?.requestId === undefined ? {} : { requestId: unscoped(record.requestId) }),
  };
}
