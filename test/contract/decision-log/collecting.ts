/** From decisions/ to finished/, and from there to nothing. */
import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/core/judge.ts';
import { makePosition, positionOf } from '../../../src/core/txid.ts';
import { commitOf, decideAll, never, someBranches, txidAt } from '../../support/logs/stores.ts';
import { collectAll, type LogRig } from './rig.ts';

export function collecting(rig: LogRig): void {
  describe('finish and pending', () => {
    it('moves what is there, skips what is not, and may be repeated', async () => {
      await decideAll(rig.leadership, [commitOf(rig.txid(1)), commitOf(rig.txid(2))]);
      await rig.leadership.finish([rig.txid(1), rig.txid(9)]);
      await rig.leadership.finish([rig.txid(1)]);
      expect((await rig.log.read(rig.txid(1))).record).toMatchObject({
        outcome: 'commit',
        finished: true,
      });
      expect((await rig.log.read(rig.txid(9))).record).toBeNull();
      const left = await rig.leadership.pending({ after: null, limit: 10 });
      expect(left.map((record) => record.txid)).toEqual([rig.txid(2)]);
    });

    it('moves what a page named, and no second time where the page was read beside the move', async () => {
      const txids = [rig.txid(1), rig.txid(2)];
      await decideAll(rig.leadership, [
        commitOf(rig.txid(1), { requestId: 'r' }),
        commitOf(rig.txid(2)),
      ]);
      await rig.leadership.pending({ after: null, limit: 1 });
      let isUnderWay = true;
      const moved = rig.leadership.finish(txids).finally(() => {
        isUnderWay = false;
      });
      // The state before it may be what they show.
      while (isUnderWay) {
        await rig.leadership.pending({ after: null, limit: 10 });
        await new Promise((resolve) => setImmediate(resolve));
      }
      await moved;
      const collected = await rig.leadership.collect({ ...collectAll, below: rig.below(9) });
      expect(collected.collected).toBe(2);
      expect(await rig.leadership.readRequest('r')).toBeNull();
      await rig.leadership.finish(txids);
      for (const txid of txids) expect((await rig.log.read(txid)).record).toBeNull();
    });

    it('pages through pending records in order, forced aborts included', async () => {
      await decideAll(
        rig.leadership,
        [3, 1, 4, 2].map((sequence) => commitOf(rig.txid(sequence))),
      );
      await rig.log.resolve(rig.txid(5));
      const first = await rig.leadership.pending({ after: null, limit: 3 });
      const second = await rig.leadership.pending({ after: rig.txid(3), limit: 3 });
      expect(first.map((record) => record.txid)).toEqual([rig.txid(1), rig.txid(2), rig.txid(3)]);
      expect(second.map((record) => record.txid)).toEqual([rig.txid(4), rig.txid(5)]);
      expect(first[0]?.branches).toEqual(someBranches);
      expect(second[1]).toMatchObject({ outcome: 'abort', branches: [] });
    });
  });

  describe('collect', () => {
    it('deletes finished records with their requests and moves the floor', async () => {
      await decideAll(rig.leadership, [
        commitOf(rig.txid(1), { finished: true, requestId: 'r' }),
        commitOf(rig.txid(2), { finished: true }),
      ]);
      const result = await rig.leadership.collect({ ...collectAll, below: rig.below(9) });
      expect(result).toEqual({ collected: 2, floor: positionOf(rig.txid(2)), more: false });
      expect(await rig.leadership.readRequest('r')).toBeNull();
      expect(rig.leadership.requestCount()).toBe(0);
      const reading = await rig.log.read(rig.txid(1));
      expect(judge(rig.txid(1), reading, { inDoubt: false }).decision).toBe('expired');
      expect(judge(rig.txid(1), reading, { inDoubt: true }).decision).toBe('abort');
    });

    it('counts age by the tick and stops at the first record that is too young', async () => {
      await decideAll(rig.leadership, [
        commitOf(rig.txid(1), { finished: true }),
        commitOf(rig.txid(2)),
      ]);
      await rig.leadership.tick(1);
      await rig.leadership.tick(1);
      await rig.leadership.finish([rig.txid(2)]);
      await rig.leadership.decide(commitOf(rig.txid(3), { finished: true }));
      const options = { ...collectAll, below: rig.below(9), retentionMs: 2 };
      expect(await rig.leadership.collect(options)).toMatchObject({ collected: 1 });
      await rig.leadership.tick(1);
      expect(await rig.leadership.collect(options)).toMatchObject({ collected: 0 });
      expect(await rig.leadership.tick(1)).toBe(4);
      expect(await rig.leadership.collect(options)).toMatchObject({ collected: 2 });
    });

    it('counts it in time, so that leaders with ticks of other lengths may follow one another', async () => {
      await rig.leadership.resign();
      const long = 10_000;
      const first = await rig.log.campaign(0, { signal: never, tickMs: long });
      await first.decide(commitOf(txidAt(first.epoch, 1), { finished: true, requestId: 'a' }));
      // It may have been finished a moment before that.
      expect(await first.tick(long)).toBe(long);
      await first.resign();
      const second = await rig.log.campaign(0, { signal: never, tickMs: 10 });
      await second.decide(commitOf(txidAt(second.epoch, 1)));
      await second.finish([txidAt(second.epoch, 1)]);
      const options = {
        ...collectAll,
        below: makePosition(second.epoch, 9),
        retentionMs: 1_000,
        retentionMsMin: 1_000,
      };
      for (let ticks = 1; ticks < 100; ticks += 1) await second.tick(10);
      expect(await second.collect(options)).toMatchObject({ collected: 0 });
      expect(await second.tick(10)).toBe(long + 1_000);
      expect(await second.collect(options)).toMatchObject({ collected: 1 });
      await second.tick(10);
      expect(await second.collect(options)).toMatchObject({ collected: 1 });
    });

    it('takes younger ones while there are too many, but none below the minimum', async () => {
      const writes = [1, 2, 3, 4].map((n) => commitOf(rig.txid(n), { finished: true }));
      await decideAll(rig.leadership, writes);
      const options = {
        ...collectAll,
        below: rig.below(9),
        retentionMs: 100,
        retentionMsMin: 1,
        maxRecords: 1,
      };
      expect(await rig.leadership.collect(options)).toMatchObject({ collected: 0 });
      await rig.leadership.tick(1);
      expect(await rig.leadership.collect(options)).toMatchObject({ collected: 3 });
      expect((await rig.log.read(rig.txid(4))).record?.outcome).toBe('commit');
    });

    it('stays below `below`', async () => {
      const writes = [1, 2, 3].map((n) => commitOf(rig.txid(n), { finished: true }));
      await decideAll(rig.leadership, writes);
      expect(await rig.leadership.collect({ ...collectAll, below: rig.below(2) })).toMatchObject({
        collected: 1,
        floor: positionOf(rig.txid(1)),
      });
    });

    it('stops at a request that is held back', async () => {
      await decideAll(rig.leadership, [
        commitOf(rig.txid(1), { finished: true, requestId: 'a' }),
        commitOf(rig.txid(2), { finished: true, requestId: 'b' }),
        commitOf(rig.txid(3), { finished: true, requestId: 'c' }),
      ]);
      const keepsRequest = (requestId: string) => requestId === 'b';
      expect(
        await rig.leadership.collect({ ...collectAll, below: rig.below(9), keepsRequest }),
      ).toMatchObject({ collected: 1, floor: positionOf(rig.txid(1)) });
      expect((await rig.leadership.readRequest('b'))?.txid).toBe(rig.txid(2));
      expect(rig.leadership.requestCount()).toBe(2);
    });

    it('goes in steps and says whether there is more', async () => {
      const writes = [1, 2, 3, 4].map((n) => commitOf(rig.txid(n), { finished: true }));
      await decideAll(rig.leadership, writes);
      const options = { ...collectAll, below: rig.below(4), limit: 2 };
      expect(await rig.leadership.collect(options)).toMatchObject({ collected: 2, more: true });
      expect(await rig.leadership.collect(options)).toMatchObject({ collected: 1, more: false });
      expect(await rig.leadership.collect(options)).toMatchObject({ collected: 0, more: false });
    });

    it('never pulls the floor back, and answers a record below it', async () => {
      await decideAll(rig.leadership, [
        commitOf(rig.txid(1)),
        commitOf(rig.txid(5), { finished: true }),
      ]);
      await rig.leadership.collect({ ...collectAll, below: rig.below(9) });
      expect((await rig.log.read(rig.txid(1))).record?.outcome).toBe('commit');
      await rig.leadership.finish([rig.txid(1)]);
      expect((await rig.log.read(rig.txid(1))).record?.outcome).toBe('commit');
      expect(await rig.leadership.collect({ ...collectAll, below: rig.below(9) })).toMatchObject({
        collected: 1,
        floor: positionOf(rig.txid(5)),
      });
    });
  });
}
