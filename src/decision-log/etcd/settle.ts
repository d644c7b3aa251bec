/**
 * What an operator says of branches, in a record that stays in decisions/.
 *
 * Read, changed, and written where it is still exactly what was read. So a write whose reply was
 * lost is found done, and one that arrives late finds the record changed, moved or collected, and
 * does nothing. It never makes a record (!): its outcome would be one that no decision took.
 */
import { type Settlement, settled } from '../../core/records.ts';
import type { Finish } from './finish.ts';
import { decodeDecision, encodeDecision } from './records.ts';
import { found, get, modIs, put } from './requests.ts';

export async function settle(
  { fenced, known }: Pick<Finish, 'fenced' | 'known'>,
  settlement: Settlement,
): Promise<boolean> {
  fenced.assertHeld();
  const key = fenced.keys.decision(settlement.txid);
  for (;;) {
    const { responses } = await fenced.read([get(key)]);
    const kv = found(responses, 0);
    const record = kv === null ? null : decodeDecision(kv.value);
    if (kv === null || record?.outcome !== 'commit') return false;
    const next = encodeDecision(settled(record, settlement));
    if (next.equals(kv.value)) return true;
    // Its move would find another revision and read it again.
    known.take(settlement.txid);
    const { succeeded } = await fenced.write({
      compare: [modIs(key, kv.mod_revision)],
      success: [put(key, next)],
    });
    if (succeeded) return true;
  }
}
