/** One reading of the log, as an explanation needs it. */
import type { Decision } from '../messages.ts';
import type { DecisionRecord, SettledByHand } from '../records.ts';
import { unscoped } from '../scope.ts';
import type { Epoch, Position } from '../txid.ts';
import type { LogFacts } from './facts.ts';

interface Reading {
  readonly record: {
    readonly outcome: Decision;
    readonly finished: boolean;
    readonly record: DecisionRecord | null;
    readonly byHand?: readonly SettledByHand[];
  } | null;
  readonly floor: Position;
  readonly leader: { readonly node: string; readonly epoch: Epoch } | null;
}

export function logFacts({ record, floor, leader }: Reading, wallMs: number): LogFacts {
  const kept = record?.record ?? null;
  const requestId = kept?.requestId;
  const byHand = record?.byHand ?? kept?.byHand;
  return {
    ok: true,
    floor,
    leader: leader === null ? null : { node: leader.node, epoch: leader.epoch },
    record:
      record === null
        ? null
        : {
            outcome: record.outcome,
            finished: record.finished,
            // A finished record names only who was settled by hand.
            branches:
              kept?.branches ??
              byHand?.map(({ branch, participant }) => ({ branch, participant })) ??
              [],
            ...(byHand === undefined ? {} : { byHand }),
            requestId: requestId === undefined ? null : unscoped(requestId),
            recordedAgoMs: kept === null ? null : Math.max(0, Math.round(wallMs - kept.atMs)),
          },
  };
}
