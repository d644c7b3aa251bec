/** The whole of an embedded log, read from its file whether or not a node owns it: for checks. */
import type { Position, Txid } from '../../core/txid.ts';
import type { DecisionRecord } from '../../ports/decision-log.ts';
import { entriesUnder } from '../../store/key-value.ts';
import { readLmdb } from '../../store/lmdb.ts';
import { readHeader } from '../../store/store-format.ts';
import { type FinishedRecord, logHeader, readState, shardPrefix } from '../state.ts';
import { embeddedLogFile } from './log.ts';

export interface LogContent {
  /** Recorded, and not acknowledged by every branch yet. */
  readonly decisions: readonly DecisionRecord[];
  readonly finished: readonly (FinishedRecord & { readonly txid: Txid })[];
  /** What is not above it may have been there and gone. */
  readonly floor: Position;
}

/** An embedded log has one shard. */
const shard = 0;

/** One consistent snapshot. Null where there is no log in the directory. */
export function readEmbeddedLog(directory: string): Promise<LogContent | null> {
  return readLmdb({ directory, file: embeddedLogFile }, (keys) => {
    readHeader(keys, logHeader);
    const prefix = shardPrefix('finished', shard);
    return {
      decisions: entriesUnder(keys, shardPrefix('decisions', shard)).map(([, value]) => {
        return value as DecisionRecord;
      }),
      finished: entriesUnder(keys, prefix).map(([key, value]) => {
        return { ...(value as FinishedRecord), txid: key.slice(prefix.length) as Txid };
      }),
      floor: readState(keys, shard).floor,
    };
  });
}
