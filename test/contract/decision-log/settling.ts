/** An operator's word about branches, in a record that stays where it is. */
import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/core/judge.ts';
import type { SettledByHand } from '../../../src/core/records.ts';
import { LeadershipLostError } from '../../../src/ports/decision-log.ts';
import { commitOf, never, someBranches } from '../../support/logs/stores.ts';
import { collectAll, type LogRig } from './rig.ts';

const [first, second] = someBranches;
const word: SettledByHand = {
  branch: first?.branch ?? '',
  participant: first?.participant ?? '',
  by: 'ops',
  reason: 'its database was restored',
  atMs: 1_700_000_000_500,
};
const locks = { group: 'g', exclusive: ['k'], shared: [] };

export function settling(rig: LogRig): void {
  describe('settle', () => {
    it('marks the record, which stays, and may be repeated', async () => {
      const { record } = commitOf(rig.txid(1), { requestId: 'r' });
      await rig.leadership.decide({ record: { ...record, locks }, finished: false });
      const settlement = { txid: rig.txid(1), byHand: [word], left: null };
      expect(await rig.leadership.settle(settlement)).toBe(true);
      expect(await rig.leadership.settle(settlement)).toBe(true);
      const reading = await rig.log.read(rig.txid(1));
      const marked = { ...record, locks, byHand: [word] };
      expect(reading.record).toEqual({
        outcome: 'commit',
        finished: false,
        record: marked,
        byHand: [word],
      });
      expect(await rig.leadership.pending({ after: null, limit: 10 })).toEqual([marked]);
    });

    it('leaves those that owe, and no locks; the move keeps who said so', async () => {
      const { record } = commitOf(rig.txid(1));
      await rig.leadership.decide({ record: { ...record, locks }, finished: false });
      await rig.leadership.pending({ after: null, limit: 10 });
      await rig.leadership.settle({ txid: rig.txid(1), byHand: [word], left: null });
      await rig.leadership.settle({ txid: rig.txid(1), byHand: [], left: [word.branch] });
      const reduced = { ...record, branches: [first], byHand: [word] };
      expect(await rig.leadership.pending({ after: null, limit: 10 })).toEqual([reduced]);
      expect(second).toBeDefined();
      await rig.leadership.finish([rig.txid(1)]);
      expect((await rig.log.read(rig.txid(1))).record).toEqual({
        outcome: 'commit',
        finished: true,
        record: null,
        byHand: [word],
      });
    });

    it('is read as a commit below the floor too, and is not collected', async () => {
      await rig.leadership.decide(commitOf(rig.txid(1)));
      await rig.leadership.settle({ txid: rig.txid(1), byHand: [word], left: [word.branch] });
      await rig.leadership.decide(commitOf(rig.txid(2), { finished: true }));
      const { collected } = await rig.leadership.collect({ ...collectAll, below: rig.below(9) });
      expect(collected).toBe(1);
      const reading = await rig.log.read(rig.txid(1));
      expect(judge(rig.txid(1), reading, { inDoubt: true }).decision).toBe('commit');
    });

    it('makes no record of what has none, has moved, was collected or aborted', async () => {
      const settlement = { txid: rig.txid(1), byHand: [word], left: null };
      expect(await rig.leadership.settle(settlement)).toBe(false);
      await rig.leadership.decide(commitOf(rig.txid(1)));
      await rig.leadership.finish([rig.txid(1)]);
      expect(await rig.leadership.settle(settlement)).toBe(false);
      await rig.leadership.collect({ ...collectAll, below: rig.below(9) });
      expect(await rig.leadership.settle(settlement)).toBe(false);
      expect((await rig.log.read(rig.txid(1))).record).toBeNull();
      await rig.log.resolve(rig.txid(2));
      expect(await rig.leadership.settle({ ...settlement, txid: rig.txid(2) })).toBe(false);
      expect((await rig.log.read(rig.txid(2))).record).toMatchObject({ outcome: 'abort' });
    });

    it('is refused once another leads, and what the one before said is there', async () => {
      const before = rig.leadership;
      const txid = rig.txid(1);
      await before.decide(commitOf(txid));
      await before.settle({ txid, byHand: [word], left: null });
      await before.resign();
      rig.leadership = await rig.log.campaign(0, { signal: never });
      await expect(before.settle({ txid, byHand: [], left: [] })).rejects.toThrow(
        LeadershipLostError,
      );
      const [found] = await rig.leadership.pending({ after: null, limit: 1 });
      expect(found?.byHand).toEqual([word]);
      expect(found?.branches).toEqual(someBranches);
    });
  });
}
