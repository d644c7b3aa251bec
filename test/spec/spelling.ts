/** What the specification writes as small numbers, as the production core spells it. */
import type { Witness } from '../../src/core/messages.ts';
import type { DecisionRecord } from '../../src/core/records.ts';
import type { LogAnswer } from '../../src/core/term/events.ts';
import {
  type Epoch,
  makeEpoch,
  makePosition,
  type Position,
  positionZero,
  randomDigits,
  type Txid,
} from '../../src/core/txid.ts';
import { makeTxid } from '../support/core/txids.ts';
import type { SpecLog, SpecState } from './itf.ts';

export const requestId = 'R';
export const requestHash = 'hash';
export const participants: readonly string[] = ['p1', 'p2'];

/** The specification's epoch: generation * 100 + revision. */
export function epochFor(epoch: number): Epoch {
  return makeEpoch({ generation: Math.floor(epoch / 100), revision: BigInt(epoch % 100) });
}

export function witnessFor(position: number): Witness {
  return { generation: Math.floor(position / 100), revision: String(position % 100) };
}

/**
 * The random part is the specification's number: no two transactions share one, whatever is
 * restored.
 */
export function randomFor(x: number): string {
  return x.toString(36).padStart(randomDigits, '0');
}

export function txidFor(s: SpecState, x: number): Txid {
  const transaction = s.transactions.get(x);
  if (transaction === undefined) throw new Error(`The trace has no transaction ${x}.`);
  const { epoch, position } = transaction;
  return makeTxid({
    shard: 0,
    epoch: epochFor(epoch),
    sequence: position - epoch * 10,
    random: randomFor(x),
  });
}

/** The number of a txid; the random part is the last. */
export function numberOf(txid: Txid): number {
  return Number.parseInt(txid.slice(-randomDigits), 36);
}

export function positionFor(position: number): Position {
  if (position === 0) return positionZero;
  const epoch = Math.floor(position / 10);
  return makePosition(epochFor(epoch), position % 10);
}

/** One linearizable reading of the specification's log. */
export function readingOf(s: SpecState, x: number): LogAnswer {
  const { log } = s;
  return {
    record: recordOf(s, x),
    floor: positionFor(log.floor),
    leader: log.leader.nonce === 0 ? null : { epoch: epochFor(epochOfLeader(log)) },
    witness: { generation: log.generation, revision: String(log.revision) },
  };
}

function epochOfLeader({ leader }: SpecLog): number {
  return leader.generation * 100 + leader.revision;
}

function recordOf(s: SpecState, x: number): LogAnswer['record'] {
  const decided = s.log.decisions.get(x);
  if (decided !== undefined) {
    return { outcome: decided, finished: false, record: decisionRecord(s, x) };
  }
  const finished = s.log.finished.get(x);
  return finished === undefined ? null : { outcome: finished, finished: true, record: null };
}

export function decisionRecord(s: SpecState, x: number): DecisionRecord {
  const outcome = s.log.decisions.get(x) ?? 'commit';
  const requested = outcome === 'commit' && (s.transactions.get(x)?.attempt ?? 0) > 0;
  return {
    txid: txidFor(s, x),
    outcome,
    branches:
      outcome === 'abort'
        ? []
        : participants.map((p) => ({ branch: p, participant: p, instance: p })),
    ...(requested ? { requestId, requestHash } : {}),
    atMs: 0,
  };
}
