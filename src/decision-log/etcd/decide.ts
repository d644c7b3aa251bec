/**
 * One decision: compares, a put and, where they fail, a read of all that was compared. Nested where
 * it shares a transaction with others.
 *
 * What each compare answers:
 * - `decisions/T` absent: another node may have forced the abort since our last vote.
 * - `finished/T` absent: the leader sweeps forced aborts to finished/. A decision still under way,
 *   or its delayed duplicate, must not come alive beside one.
 * - the floor below T: both records may be gone again, collected. A duplicate of a collected commit
 *   that was delayed for so long must not write it a second time.
 * - `requests/R` absent: a client that had no answer asked again, elsewhere or later, and that
 *   attempt committed. I8, one commit for each request id.
 */
import { coordinatorOptionTable } from '../../core/coordinator-options.ts';
import type { DecideResult, DecisionWrite } from '../../core/records.ts';
import { positionOf } from '../../core/txid.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { finishedRecord } from '../state.ts';
import type { Fenced } from './fenced.ts';
import type { ShardKeys } from './keys.ts';
import {
  decodeDecision,
  decodeFinished,
  decodePosition,
  decodeRequest,
  encodeDecision,
  encodeFinished,
  encodePosition,
  encodeRequest,
} from './records.ts';
import {
  absent,
  type Compare,
  found,
  get,
  nested,
  nestedAt,
  type Op,
  put,
  type TxnResult,
  valueBelow,
} from './requests.ts';

/** The most that a node may be configured to. The leader checks its own limit before prepare. */
const maxRecordBytes = coordinatorOptionTable.maxRecordBytes.max;

export interface PreparedDecision {
  readonly write: DecisionWrite;
  readonly txn: { readonly compare: Compare[]; readonly success: Op[]; readonly failure: Op[] };
  /** What it adds to the request. */
  readonly bytes: number;
}

export function prepareDecision(
  keys: ShardKeys,
  write: DecisionWrite,
  tick: number,
): PreparedDecision {
  const { record } = write;
  const { txid, requestId, requestHash } = record;
  const decision = keys.decision(txid);
  const finished = keys.finishedRecord(txid);
  const value = write.finished
    ? encodeFinished(finishedRecord(record, tick))
    : encodeDecision(record);
  if (value.length > maxRecordBytes) {
    throw new RangeError(
      `The record of ${txid} has ${value.length} bytes; at most ${maxRecordBytes} may be written.`,
    );
  }
  const compare = [
    absent(decision),
    absent(finished),
    valueBelow(keys.floor, encodePosition(positionOf(txid))),
  ];
  const success = [put(write.finished ? finished : decision, value)];
  const failure = [get(decision), get(finished), get(keys.floor)];
  let bytes = value.length + 6 * decision.length + 2 * keys.floor.length + 100;
  if (requestId !== undefined && requestHash !== undefined) {
    const request = keys.request(requestId);
    const entry = encodeRequest({ txid, requestHash });
    compare.push(absent(request));
    success.push(put(request, entry));
    failure.push(get(request));
    bytes += 3 * request.length + entry.length + 20;
  }
  return { write, txn: { compare, success, failure }, bytes };
}

interface BatchResult {
  readonly answers: readonly TxnResult[];
  readonly attempts: number;
  /** Of what was put. */
  readonly revision: string;
}

/**
 * Etcd (3.4 and 3.5) does not count what nested transactions put against its quota: a full one
 * would take decisions, and grow, until a plain put is refused - the tick, which may come once in
 * ten minutes. So a decision alone is not nested, and several have a put of an empty key beside
 * them, which no one reads. A full etcd then refuses them, and the leadership ends as over any
 * write of unknown fate.
 */
export async function writeBatch(
  fenced: Fenced,
  batch: readonly PreparedDecision[],
): Promise<BatchResult> {
  const [alone] = batch;
  if (alone !== undefined && batch.length === 1) {
    const result = await fenced.write({ ...alone.txn, operation: 'decide' });
    // Where it failed, the leader key was read first.
    const responses = result.succeeded ? result.responses : result.responses.slice(1);
    const { attempts, header } = result;
    return { answers: [{ ...result, responses }], attempts, revision: header.revision };
  }
  const { responses, attempts, header } = await fenced.write({
    success: [...batch.map(({ txn }) => nested(txn)), put(fenced.keys.quota, Buffer.of())],
    operation: 'decide',
  });
  const answers = batch.map((_, index) => nestedAt(responses, index));
  return { answers, attempts, revision: header.revision };
}

/**
 * What it came to. A duplicate is told before a forced abort or a floor: each rules this
 * transaction out forever, and the duplicate also says what the request's answer is.
 */
export function decisionResult(
  { write }: PreparedDecision,
  { succeeded, responses }: TxnResult,
): DecideResult {
  if (succeeded) return { type: 'written' };
  const { txid, requestId } = write.record;
  const decision = found(responses, 0);
  const finished = found(responses, 1);
  const outcome = decision
    ? decodeDecision(decision.value).outcome
    : finished && decodeFinished(finished.value).outcome;
  // Commits of this epoch are ours alone: an earlier attempt landed, and its reply was lost.
  if (outcome === 'commit') return { type: 'written' };
  const request = requestId === undefined ? null : found(responses, 3);
  if (request !== null) return { type: 'duplicate', entry: decodeRequest(request.value) };
  const floor = found(responses, 2);
  if (floor === null) {
    throw new DecisionLogError(
      'The floor of the shard is gone from etcd. Someone deleted it: restore etcd from a backup.',
    );
  }
  if (outcome === 'abort' || positionOf(txid) <= decodePosition(floor.value)) {
    return { type: 'aborted' };
  }
  throw new Error(`Etcd refused the decision of ${txid}, and nothing that it showed says why.`);
}
