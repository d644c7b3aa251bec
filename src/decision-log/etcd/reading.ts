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
import { type Member, retirementsOf } from '../../core/retired.ts';
import { positionOf, positionZero, shardOf, type Txid } from '../../core/txid.ts';
import type { LogMeta, LogReading } from '../../ports/decision-log.ts';
import { recordRead } from '../state.ts';
import { fence, type ObservedLeader, observe } from './leader-key.ts';
import { metaOf } from './meta.ts';
import {
  decodeDecision,
  decodeFinished,
  decodePosition,
  encodeDecision,
  encodePosition,
} from './records.ts';
import { absent, found, get, type Op, put, type TxnResult, valueBelow } from './requests.ts';
import type { EtcdStore } from './store.ts';

export interface Question {
  readonly store: EtcdStore;
  readonly txid: Txid;
  readonly asker?: Member;
  /** Throws where the log that was read is not the one that was asked. */
  readonly assertMeta?: (meta: LogMeta) => void;
}

export interface EtcdReading {
  readonly reading: LogReading;
  readonly leader: ObservedLeader | null;
  readonly meta: LogMeta;
}

export async function readDecision(question: Question): Promise<EtcdReading> {
  const success = readOps(question);
  const read = interpret(question, await question.store.insist({ success }));
  question.assertMeta?.(read.meta);
  return read;
}

/**
 * Forces the abort where nothing else is true yet. The write compares all that the reading before
 * it showed: a decision that lands between the two wins, and the reading that comes back shows it.
 * Where the asker was `shown` a later log, nothing is written.
 */
export async function resolveDecision(
  question: Question & { readonly atMs: number; readonly shown?: Witness | undefined },
): Promise<LogReading> {
  const { store, txid, atMs, shown } = question;
  const keys = store.keys.shard(shardOf(txid));
  for (;;) {
    const { reading, leader, meta } = await readDecision(question);
    const undecided = judge(txid, reading, { inDoubt: true }).decision === 'undecided';
    const ahead = shown !== undefined && isAhead(shown, reading.witness);
    if (!undecided || ahead || leader === null || reading.retired === true) return reading;
    const record: DecisionRecord = { txid, outcome: 'abort', branches: [], atMs };
    const result = await store.insist({
      compare: [
        // `undecided` says that the txid's leader was read.
        ...fence(keys, leader),
        absent(keys.decision(txid)),
        absent(keys.finishedRecord(txid)),
        valueBelow(keys.floor, encodePosition(positionOf(txid))),
      ],
      success: [put(keys.decision(txid), encodeDecision(record))],
    });
    if (result.succeeded) {
      const witness = { generation: meta.generation, revision: result.header.revision };
      return { ...reading, record: { outcome: 'abort', finished: false, record }, witness };
    }
    // Something came between, our own first attempt perhaps: what is there now is the answer.
  }
}

function readOps({ store, txid, asker }: Question): Op[] {
  const { keys } = store;
  const shard = keys.shard(shardOf(txid));
  return [
    get(shard.decision(txid)),
    get(shard.finishedRecord(txid)),
    get(shard.floor),
    get(shard.leader),
    get(keys.meta),
    ...(asker === undefined ? [] : retirementsOf(asker)).map((one) => get(keys.retiredOne(one))),
  ];
}

function interpret(
  { store, txid, asker }: Question,
  { responses, header }: TxnResult,
): EtcdReading {
  const decision = found(responses, 0);
  const finished = found(responses, 1);
  const floor = found(responses, 2);
  const leader = observe(shardOf(txid), found(responses, 3));
  const meta = metaOf(found(responses, 4));
  const seen = { generation: meta.generation, revision: header.revision };
  store.guard(() => store.witness.adoptGeneration(seen));
  return {
    leader,
    meta,
    reading: {
      record: recordRead(
        decision && decodeDecision(decision.value),
        finished && decodeFinished(finished.value),
      ),
      floor: floor === null ? positionZero : decodePosition(floor.value),
      leader: leader?.info ?? null,
      witness: seen,
      ...(asker === undefined ? {} : { retired: isFound(responses.slice(readsMin)) }),
    },
  };
}

/** Of what `readOps` always reads. */
const readsMin = 5;

function isFound(responses: TxnResult['responses']): boolean {
  return responses.some((_, index) => found(responses, index) !== null);
}
