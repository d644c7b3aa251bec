/**
 * Moves records from decisions/ to finished/.
 *
 * Each move compares that the record is still exactly the one that was written or read: the reply
 * of a move may be lost, the record be collected from finished/, and the move be sent again, or
 * arrive late. It must not put back what was collected.
 *
 * What this leadership wrote or scanned it need not read again: it knows the revision, and no one
 * else writes over a record that is there. It does itself where an operator speaks (settle.ts).
 * Where the compare fails all the same, what is there is read, and that is moved.
 */
import type { DecisionRecord } from '../../core/records.ts';
import type { Txid } from '../../core/txid.ts';
import { finishedRecord, type KeptOfRecord, keptOf } from '../state.ts';
import type { Fenced } from './fenced.ts';
import { decodeDecision, encodeFinished } from './records.ts';
import { found, get, modIs, nested, nestedAt, type Op, put, remove } from './requests.ts';

const maxMoves = 64;
/** Etcd refuses requests of more than 1.5 MB, which words of operators about many branches are. */
const maxMoveBytes = 512 * 1024;
/** Transactions under way at once: no one waits for a move, decisions do for etcd. */
const maxUnderWay = 4;

export interface KnownRecord extends KeptOfRecord {
  readonly modRevision: string;
}

/** What is in decisions/, as far as this leadership has seen it; it goes with the move. */
export class KnownRecords {
  readonly #known = new Map<Txid, KnownRecord>();

  saw(record: DecisionRecord, modRevision: string): void {
    this.#known.set(record.txid, { ...keptOf(record), modRevision });
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
  let left = [...read, ...(await readAgain(given, changed))];
  // An operator may speak again after each look (!): one that were left here would be taken up by a
  // later scan, and its commits sent to those who have forgotten it.
  while (left.length > 0) left = await readAgain(given, await move(given, left));
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
async function move(given: Finish, moves: readonly Move[]): Promise<Txid[]> {
  const at = given.tick();
  const changed: Txid[] = [];
  let page: EncodedMove[] = [];
  let bytes = 0;
  for (const { txid, record } of moves) {
    const value = encodeFinished(finishedRecord(record, at));
    if (page.length > 0 && bytes + value.length > maxMoveBytes) {
      changed.push(...(await moveAtOnce(given, page)));
      page = [];
      bytes = 0;
    }
    page.push({ txid, modRevision: record.modRevision, value });
    bytes += value.length;
  }
  if (page.length > 0) changed.push(...(await moveAtOnce(given, page)));
  return changed;
}

interface EncodedMove {
  readonly txid: Txid;
  readonly modRevision: string;
  readonly value: Buffer;
}

async function moveAtOnce({ fenced }: Finish, moves: readonly EncodedMove[]): Promise<Txid[]> {
  const { keys } = fenced;
  const success = moves.map(({ txid, modRevision, value }): Op => {
    const key = keys.decision(txid);
    return nested({
      compare: [modIs(key, modRevision)],
      success: [remove(key), put(keys.finishedRecord(txid), value)],
    });
  });
  const { responses } = await fenced.write({ success, operation: 'finish' });
  return moves.flatMap(({ txid }, index) => (nestedAt(responses, index).succeeded ? [] : [txid]));
}
