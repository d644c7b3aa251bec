/**
 * Moves records from decisions/ to finished/.
 *
 * Each move compares that the record is still exactly the one that was written or read: the reply
 * of a move may be lost, the record be collected from finished/, and the move be sent again, or
 * arrive late. It must not put back what was collected.
 *
 * What this leadership wrote or scanned it need not read again: it knows the revision, and no one
 * else writes over a record that is there. Where the compare fails all the same, what is there is
 * read, and that is moved.
 */
import type { DecisionRecord } from '../../core/records.ts';
import type { Txid } from '../../core/txid.ts';
import { finishedRecord } from '../state.ts';
import type { Fenced } from './fenced.ts';
import { decodeDecision, encodeFinished } from './records.ts';
import { found, get, modIs, nested, nestedAt, type Op, put, remove } from './requests.ts';

const maxMoves = 64;
/** Transactions under way at once: no one waits for a move, decisions do for etcd. */
const maxUnderWay = 4;

export interface KnownRecord extends Pick<DecisionRecord, 'outcome' | 'requestId' | 'atMs'> {
  readonly modRevision: string;
}

/** What is in decisions/, as far as this leadership has seen it; it goes with the move. */
export class KnownRecords {
  readonly #known = new Map<Txid, KnownRecord>();

  saw({ txid, outcome, requestId, atMs }: DecisionRecord, modRevision: string): void {
    const request = requestId === undefined ? {} : { requestId };
    this.#known.set(txid, { outcome, atMs, modRevision, ...request });
  }

  take(txid: Txid): KnownRecord | null {
    const known = this.#known.get(txid) ?? null;
    this.#known.delete(txid);
    return known;
  }
}

export interface Finish {
  readonly fenced: Fenced;
  readonly known: KnownRecords;
  readonly tick: () => number;
}

export async function finish(given: Finish, txids: readonly Txid[]): Promise<void> {
  given.fenced.assertHeld();
  // No key twice in one transaction.
  const distinct = [...new Set(txids)];
  const lane = async (): Promise<void> => {
    while (distinct.length > 0) await finishPage(given, distinct.splice(0, maxMoves));
  };
  const lanes = Math.min(maxUnderWay, Math.ceil(distinct.length / maxMoves));
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function finishPage(given: Finish, txids: readonly Txid[]): Promise<void> {
  const unknown: Txid[] = [];
  const moves: Move[] = [];
  for (const txid of txids) {
    const record = given.known.take(txid);
    if (record === null) unknown.push(txid);
    else moves.push({ txid, record });
  }
  const [changed, read] = await Promise.all([move(given, moves), readAgain(given, unknown)]);
  await move(given, [...read, ...(await readAgain(given, changed))]);
}

interface Move {
  readonly txid: Txid;
  readonly record: KnownRecord;
}

async function readAgain({ fenced }: Finish, txids: readonly Txid[]): Promise<Move[]> {
  if (txids.length === 0) return [];
  const { keys } = fenced;
  const { responses } = await fenced.read(txids.map((txid) => get(keys.decision(txid))));
  return txids.flatMap((txid, index): Move[] => {
    const kv = found(responses, index);
    if (kv === null) return [];
    return [{ txid, record: { ...decodeDecision(kv.value), modRevision: kv.mod_revision } }];
  });
}

/** Returns those that are no longer as they were known to be. */
async function move({ fenced, tick }: Finish, moves: readonly Move[]): Promise<Txid[]> {
  if (moves.length === 0) return [];
  const { keys } = fenced;
  const at = tick();
  const success = moves.map(({ txid, record }): Op => {
    const key = keys.decision(txid);
    const value = encodeFinished(finishedRecord(record, at));
    return nested({
      compare: [modIs(key, record.modRevision)],
      success: [remove(key), put(keys.finishedRecord(txid), value)],
    });
  });
  const { responses } = await fenced.write({ success });
  return moves.flatMap(({ txid }, index) => (nestedAt(responses, index).succeeded ? [] : [txid]));
}
