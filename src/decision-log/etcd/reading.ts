/**
 * Reading and ending a doubt, at any node or at none (docs/PROTOCOL.md, section 5).
 *
 * One transaction reads decision, finished record, floor, leader key and, for a participant,
 * whether it was retired, at one revision. Read one after the other they could be: no decision (a
 * moment before it was written), then the floor above it (a collection later): "expired" about a
 * transaction that stands committed.
 */
import { isAhead, judge } from '../../core/judge.ts';
import type { Witness } from '../../core/messages.ts';
import type { DecisionRecord } from '../../core/records.ts';
import type { Member } from '../../core/retired.ts';
import { thrownText } from '../../core/thrown.ts';
import { positionOf, shardOf, type Txid } from '../../core/txid.ts';
import { AbortUnknownError, DecisionLogError, type LogReading } from '../../ports/decision-log.ts';
import { fence, type ObservedLeader } from './leader-key.ts';
import type { EtcdMeta } from './meta.ts';
import { encodeDecision, encodePosition } from './records.ts';
import { absent, put, valueBelow } from './requests.ts';
import type { EtcdStore } from './store.ts';

export interface Question {
  readonly store: EtcdStore;
  readonly txid: Txid;
  readonly asker?: Member;
  /** Throws where the log that was read is not the one that was asked. */
  readonly assertMeta?: (meta: EtcdMeta) => void;
}

export interface EtcdReading {
  readonly reading: LogReading;
  readonly leader: ObservedLeader | null;
  readonly meta: EtcdMeta;
}

/** Shares the transaction of what is asked for the same asker in this turn (DecisionReads). */
export async function readDecision(question: Question): Promise<EtcdReading> {
  const read = await question.store.reads.read(question);
  question.assertMeta?.(read.meta);
  return read;
}

/**
 * Forces the abort where nothing else is true yet. The write compares all that the reading before
 * it showed: a decision that lands between the two wins, and the reading that comes back shows it.
 * Where the asker was `shown` a later log, nothing is written. Rejects with AbortUnknownError where
 * the write was sent and etcd said no more.
 */
export async function resolveDecision(
  question: Question & { readonly atMs: number; readonly shown?: Witness | undefined },
): Promise<LogReading> {
  const { store, txid, atMs, shown } = question;
  const keys = store.keys.shard(shardOf(txid));
  const unknown = (error: unknown): never => {
    throw abortUnknown(question, error);
  };
  for (let attempted = false; ; attempted = true) {
    const read = readDecision(question);
    const { reading, leader, meta } = await (attempted ? read.catch(unknown) : read);
    // The answer to an attempt of ours was lost, and it is what stands.
    if (attempted && isOwn(reading, atMs)) return { ...reading, forced: true };
    const undecided = judge(txid, reading, { inDoubt: true }).decision === 'undecided';
    const ahead = shown !== undefined && isAhead(shown, reading.witness);
    if (!undecided || ahead || leader === null || reading.retired === true) return reading;
    const record: DecisionRecord = { txid, outcome: 'abort', branches: [], atMs };
    const written = store.insist({
      compare: [
        // `undecided` says that the txid's leader was read.
        ...fence(keys, leader),
        absent(keys.decision(txid)),
        absent(keys.finishedRecord(txid)),
        valueBelow(keys.floor, encodePosition(positionOf(txid))),
      ],
      success: [put(keys.decision(txid), encodeDecision(record))],
    });
    const result = await written.catch(unknown);
    if (result.succeeded) {
      const witness = { generation: meta.generation, revision: result.header.revision };
      return {
        ...reading,
        record: { outcome: 'abort', finished: false, record },
        witness,
        forced: true,
      };
    }
    // Something came between, our own first attempt perhaps: what is there now is the answer.
  }
}

function isOwn({ record }: LogReading, atMs: number): boolean {
  return record?.outcome === 'abort' && record.record?.atMs === atMs;
}

/** What etcd did not answer has a cause; what it refused, or the log itself, has none. */
function abortUnknown({ store, txid }: Question, error: unknown): unknown {
  const isSilence = error instanceof DecisionLogError && error.cause !== undefined;
  if (store.ended.aborted || !isSilence) return error;
  return new AbortUnknownError(
    `The abort of ${txid} may be recorded, and is final then, or not: etcd did not say. ${thrownText(error)}`,
    { cause: error },
  );
}
