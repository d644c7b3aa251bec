/** The decision log of a single node, read from its file. */
import type { Txid } from '../../../src/core/txid.ts';
import { embeddedHeader, embeddedLogFile } from '../../../src/decision-log/embedded/log.ts';
import { type FinishedRecord, readState, shardPrefix } from '../../../src/decision-log/state.ts';
import type { DecisionRecord } from '../../../src/ports/decision-log.ts';
import { entriesUnder } from '../../../src/store/key-value.ts';
import { readLmdb } from '../../../src/store/lmdb.ts';
import { readHeader } from '../../../src/store/store-format.ts';
import type { LoggedOutcomes } from '../../launcher/etcd-contents.ts';

/** An embedded log has one shard. */
const shard = 0;

/** One consistent snapshot, whether a node owns it or not. */
export async function readNodeLog(directory: string): Promise<LoggedOutcomes> {
  const log = await readLmdb({ directory, file: embeddedLogFile }, (keys) => {
    readHeader(keys, embeddedHeader);
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
  if (log === null) throw new Error(`There is no decision log in ${directory}.`);
  return log;
}
