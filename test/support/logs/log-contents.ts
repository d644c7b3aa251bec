/** What an embedded decision log holds, read from its file. */
import { join } from 'node:path';
import type { Decision } from '../../../src/core/messages.ts';
import type { DecisionRecord, RecordedBranch } from '../../../src/core/records.ts';
import { type Position, positionZero, type Txid } from '../../../src/core/txid.ts';
import { readStore } from '../participants/effects.ts';

export interface LoggedRecord {
  readonly txid: Txid;
  readonly outcome: Decision;
  readonly area: 'decisions' | 'finished';
  /** With the name of its client, as the log has it. */
  readonly requestId: string | null;
  /** Those that voted `commit`, where the log still says so. */
  readonly branches?: readonly RecordedBranch[];
  /** When it was decided, where that is known. */
  readonly atMs?: number;
}

export interface LogContents {
  readonly records: readonly LoggedRecord[];
  /** requestId, with the name of its client, and the txid that committed under it. */
  readonly requests: readonly { readonly requestId: string; readonly txid: Txid }[];
  /** By shard. */
  readonly floors: readonly Position[];
}

const everything = 1_000_000;

export function readLog(directory: string): LogContents {
  return readStore(join(directory, 'decisions.mdb'), (keys) => {
    const records = (['decisions', 'finished'] as const).flatMap((area) =>
      keys
        .range({ start: `${area}/0/`, end: `${area}/00`, limit: everything })
        .map(([key, value]) => {
          const record = value as DecisionRecord;
          return {
            txid: key.slice(`${area}/0/`.length) as Txid,
            outcome: record.outcome,
            area,
            requestId: record.requestId ?? null,
            atMs: record.atMs,
            branches: record.branches,
          };
        }),
    );
    const requests = keys
      .range({ start: 'requests/0/', end: 'requests/00', limit: everything })
      .map(([key, value]) => ({
        requestId: JSON.parse(key.slice('requests/0/'.length)) as string,
        txid: (value as { txid: Txid }).txid,
      }));
    const shard = keys.get('shards/0') as { floor: Position } | undefined;
    return { records, requests, floors: [shard?.floor ?? positionZero] };
  });
}
