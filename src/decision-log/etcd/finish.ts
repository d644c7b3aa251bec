/**
 * Moves records from decisions/ to finished/.
 *
 * Each move compares that the record is still exactly the one that was read: the reply of a move
 * may be lost, the record be collected from finished/, and the move be sent again, or arrive late.
 * It must not put back what was collected.
 */
import type { Txid } from '../../core/txid.ts';
import { finishedRecord } from '../state.ts';
import type { Fenced } from './fenced.ts';
import { decodeDecision, encodeFinished } from './records.ts';
import { found, get, modIs, nested, type Op, put, remove } from './requests.ts';

const maxMoves = 64;

export async function finish(
  fenced: Fenced,
  txids: readonly Txid[],
  tick: () => number,
): Promise<void> {
  fenced.assertHeld();
  // No key twice in one transaction.
  const distinct = [...new Set(txids)];
  for (let start = 0; start < distinct.length; start += maxMoves) {
    await finishPage(fenced, distinct.slice(start, start + maxMoves), tick());
  }
}

async function finishPage(fenced: Fenced, txids: readonly Txid[], tick: number): Promise<void> {
  const { keys } = fenced;
  const { responses } = await fenced.read(txids.map((txid) => get(keys.decision(txid))));
  const moves = txids.flatMap((txid, index): Op[] => {
    const kv = found(responses, index);
    if (kv === null) return [];
    const value = encodeFinished(finishedRecord(decodeDecision(kv.value), tick));
    return [
      nested({
        compare: [modIs(kv.key, kv.mod_revision)],
        success: [remove(kv.key), put(keys.finishedRecord(txid), value)],
      }),
    ];
  });
  if (moves.length > 0) await fenced.write({ success: moves });
}
