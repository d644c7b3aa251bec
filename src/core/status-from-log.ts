/** The status of a transaction of which only the log knows: as far as its record tells. */
import type { Decision, TransactionStatus } from './messages.ts';
import { type DecisionRecord, type SettledByHand, settledBy } from './records.ts';
import { unscoped } from './scope.ts';
import type { Txid } from './txid.ts';

type Named = Pick<SettledByHand, 'branch' | 'participant'>;

export function statusFromLog(
  txid: Txid,
  known: {
    readonly decision: Decision;
    readonly record: {
      readonly finished: boolean;
      readonly record: DecisionRecord | null;
      readonly byHand?: readonly SettledByHand[];
    } | null;
    readonly wallMs: number;
  },
): TransactionStatus {
  const record = known.record?.record ?? null;
  const byHand = known.record?.byHand ?? [];
  // A finished record names only who was settled by hand.
  const branches: readonly Named[] = record?.branches ?? byHand;
  const word = (branch: string) => byHand.find((mark) => mark.branch === branch);
  const isOver = record?.locks === undefined && branches.every(({ branch }) => word(branch));
  const finished = (known.record?.finished ?? true) || (isOver && branches.length > 0);
  const state = finished ? 'COMMITTED' : 'COMMITTING';
  return {
    txid,
    state: known.decision === 'commit' ? state : 'ABORTED',
    attention: false,
    branches: branches.map(({ branch, participant }) => {
      const mark = word(branch);
      const state = finished || mark !== undefined ? 'committed' : 'committing';
      const said = mark === undefined ? {} : { byHand: settledBy(mark) };
      return { branch, participant, state, attempts: 0, ...said };
    }),
    ageMs: record === null ? 0 : Math.max(0, Math.round(known.wallMs - record.atMs)),
    ...(record?.requestId === undefined ? {} : { requestId: unscoped(record.requestId) }),
  };
}
