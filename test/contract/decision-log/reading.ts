/** What anybody may read, and how a doubt is ended by force. */
import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/core/judge.ts';
import { positionZero } from '../../../src/core/txid.ts';
import { DecisionLogError } from '../../../src/ports/decision-log.ts';
import { commitOf, decideAll, epochAbove, txidAt } from '../../support/logs/stores.ts';
import { collectAll, type LogRig } from './rig.ts';

export function reading(rig: LogRig): void {
  describe('read and resolve', () => {
    it('reads an undecided transaction as such, under the leader that may decide it', async () => {
      const reading = await rig.log.read(rig.txid(1));
      expect(reading).toMatchObject({ record: null, floor: positionZero });
      expect(reading.leader).toMatchObject({
        shard: 0,
        epoch: rig.leadership.epoch,
        node: 'alpha',
      });
      expect(judge(rig.txid(1), reading, { inDoubt: true })).toEqual({ decision: 'undecided' });
    });

    it('reads many in one turn, each as it is and for its own asker', async () => {
      const places = Array.from({ length: 100 }, (_, at) => at + 1);
      const isRecorded = (at: number): boolean => at % 3 === 0;
      const writes = places
        .filter(isRecorded)
        .map((at) => commitOf(rig.txid(at), { finished: at % 2 === 0 }));
      await decideAll(rig.leadership, writes);
      const [gone, here] = ['a1', 'a2'].map((instance) => ({
        participant: 'a',
        instance,
        sharedResource: null,
      }));
      if (gone === undefined || here === undefined) throw new Error('No one asks.');
      await rig.log.retire({ participant: gone.participant, instance: gone.instance });
      const askers = [undefined, gone, here];
      const readings = await Promise.all(
        places.map((at) =>
          rig.log.read(rig.txid(at), askers[at % 2 === 0 ? 0 : 1 + (at % 4 > 1 ? 1 : 0)]),
        ),
      );
      for (const [index, { record, retired }] of readings.entries()) {
        const at = index + 1;
        if (isRecorded(at)) expect(record).toMatchObject({ finished: at % 2 === 0 });
        else expect(record).toBeNull();
        expect(retired).toBe(at % 2 === 0 ? undefined : at % 4 === 1);
      }
    });

    it('resolve ends the doubt by force, once', async () => {
      const first = await rig.log.resolve(rig.txid(1));
      expect(first.record).toMatchObject({ outcome: 'abort', finished: false });
      expect((await rig.log.resolve(rig.txid(1))).record).toEqual(first.record);
      expect((await rig.log.read(rig.txid(1))).record).toEqual(first.record);
    });

    it('resolve writes nothing for one who was shown a later log than this', async () => {
      const { generation, revision } = (await rig.log.read(rig.txid(1))).witness;
      const later = [
        { generation, revision: String(BigInt(revision) + 1_000n) },
        { generation: generation + 1, revision: '1' },
      ];
      for (const shown of later) {
        const reading = await rig.log.resolve(rig.txid(1), undefined, shown);
        expect(reading).toMatchObject({ record: null, witness: { generation } });
      }
      expect(await rig.leadership.pending({ after: null, limit: 10 })).toEqual([]);
      const asShown = { generation, revision };
      const forced = await rig.log.resolve(rig.txid(1), undefined, asShown);
      expect(forced.record).toMatchObject({ outcome: 'abort' });
    });

    it('resolve leaves a recorded commit alone, finished or not', async () => {
      await decideAll(rig.leadership, [
        commitOf(rig.txid(1)),
        commitOf(rig.txid(2), { finished: true }),
      ]);
      for (const id of [rig.txid(1), rig.txid(2)]) {
        expect((await rig.log.resolve(id)).record?.outcome).toBe('commit');
      }
    });

    it('resolve writes nothing at or below the floor', async () => {
      await rig.leadership.decide(commitOf(rig.txid(5), { finished: true }));
      await rig.leadership.collect({ ...collectAll, below: rig.below(9) });
      for (const id of [rig.txid(5), rig.txid(4)])
        expect((await rig.log.resolve(id)).record).toBeNull();
      expect(await rig.leadership.pending({ after: null, limit: 10 })).toEqual([]);
    });

    it('resolve writes nothing for an epoch that is over, or has not been', async () => {
      const old = rig.txid(1);
      const next = await rig.fixture.usurp(rig.log, 0);
      const reading = await rig.log.resolve(old);
      expect(reading.record).toBeNull();
      expect(judge(old, reading, { inDoubt: true }).decision).toBe('abort');
      const ahead = txidAt(epochAbove(next.epoch), 1);
      const strange = await rig.log.resolve(ahead);
      expect(strange.record).toBeNull();
      expect(judge(ahead, strange, { inDoubt: true }).decision).toBe('ahead');
      expect(await next.pending({ after: null, limit: 10 })).toEqual([]);
    });

    it('a decide and a resolve of one transaction agree, whichever comes first', async () => {
      const both = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const id = rig.txid(index + 1);
          const decided = rig.leadership.decide(commitOf(id));
          const resolved = rig.log.resolve(id);
          const [result, reading] = await Promise.all([decided, resolved]);
          return [result.type === 'written' ? 'commit' : 'abort', reading.record?.outcome];
        }),
      );
      for (const [decided, read] of both) expect(read).toBe(decided);
    });

    it('refuses a shard that is not there', async () => {
      await expect(rig.log.read(txidAt(rig.leadership.epoch, 1, 35))).rejects.toThrow(
        DecisionLogError,
      );
      await expect(rig.log.resolve(txidAt(rig.leadership.epoch, 1, 35))).rejects.toThrow(
        DecisionLogError,
      );
    });

    it('the witness rises with every write and comes with what is read', async () => {
      const before = BigInt(rig.leadership.witness().revision);
      await rig.leadership.decide(commitOf(rig.txid(1)));
      const after = BigInt(rig.leadership.witness().revision);
      expect(after).toBeGreaterThan(before);
      expect(BigInt((await rig.log.read(rig.txid(1))).witness.revision)).toBeGreaterThanOrEqual(
        after,
      );
      await rig.leadership.finish([rig.txid(1)]);
      expect(BigInt(rig.leadership.witness().revision)).toBeGreaterThan(after);
    });
  });
}
