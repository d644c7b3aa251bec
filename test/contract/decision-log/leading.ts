/** Who may write, and what is kept from one start to the next. */
import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/core/judge.ts';
import { positionOf } from '../../../src/core/txid.ts';
import { DecisionLogError, LeadershipLostError } from '../../../src/ports/decision-log.ts';
import { commitOf, decideAll, never } from '../../support/logs/stores.ts';
import { collectAll, type LogRig } from './rig.ts';

export function leading(rig: LogRig): void {
  describe('leadership', () => {
    it('leads with a place among the leaders', () => {
      expect(rig.leadership.isCertain()).toBe(true);
      expect(rig.leadership.lost.aborted).toBe(false);
      expect(rig.log.leaders()[0]).toMatchObject({ node: 'alpha', epoch: rig.leadership.epoch });
    });

    it('a second leadership has a higher epoch, and the first one may write nothing more', async () => {
      await decideAll(rig.leadership, [
        commitOf(rig.txid(1)),
        commitOf(rig.txid(2), { finished: true }),
      ]);
      const next = await rig.fixture.usurp(rig.log, 0);
      expect(next.epoch > rig.leadership.epoch).toBe(true);
      await expect(rig.leadership.decide(commitOf(rig.txid(3)))).rejects.toThrow(
        LeadershipLostError,
      );
      await expect(rig.leadership.finish([rig.txid(1)])).rejects.toThrow(LeadershipLostError);
      await expect(rig.leadership.collect({ ...collectAll, below: rig.below(9) })).rejects.toThrow(
        LeadershipLostError,
      );
      await expect(rig.leadership.tick(1)).rejects.toThrow(LeadershipLostError);
      await expect(rig.leadership.readRequest('r')).rejects.toThrow(LeadershipLostError);
      await expect(rig.leadership.pending({ after: null, limit: 1 })).rejects.toThrow(
        LeadershipLostError,
      );
      expect(rig.leadership.lost.aborted).toBe(true);
      expect(rig.leadership.isCertain()).toBe(false);
      // Nothing of what was refused left a trace.
      expect((await rig.log.read(rig.txid(3))).record).toBeNull();
      const left = await next.pending({ after: null, limit: 10 });
      expect(left.map((record) => record.txid)).toEqual([rig.txid(1)]);
      expect((await rig.log.read(rig.txid(2))).record?.outcome).toBe('commit');
      expect(await next.tick(1)).toBe(1);
    });

    it('a leadership that was given up resigns forever', async () => {
      await rig.leadership.resign();
      expect(rig.leadership.lost.aborted).toBe(true);
      expect(rig.leadership.isCertain()).toBe(false);
      await expect(rig.leadership.decide(commitOf(rig.txid(1)))).rejects.toThrow(
        LeadershipLostError,
      );
      const reading = await rig.log.read(rig.txid(1));
      expect(reading.leader).toBeNull();
      expect(judge(rig.txid(1), reading, { inDoubt: true }).decision).toBe('abort');
      expect(rig.log.leaders()[0]).toBeNull();
      const next = await rig.log.campaign(0, { signal: never });
      expect(next.epoch > rig.leadership.epoch).toBe(true);
    });

    it('a late resignation does not touch the successor', async () => {
      const next = await rig.fixture.usurp(rig.log, 0);
      await rig.leadership.resign();
      expect(await next.tick(1)).toBe(1);
    });

    it('watchers hear of changes until they leave', async () => {
      const heard: (string | undefined)[] = [];
      const leave = rig.log.watchLeaders((leaders) => heard.push(leaders[0]?.epoch));
      const next = await rig.fixture.usurp(rig.log, 0);
      await expect.poll(() => heard.at(-1)).toBe(next.epoch);
      leave();
      const count = heard.length;
      await next.resign();
      expect(heard.length).toBe(count);
    });

    it('a campaign ends when it is told to', async () => {
      const signal = AbortSignal.abort(new Error('told to'));
      await expect(rig.log.campaign(0, { signal })).rejects.toThrow('told to');
      expect(await rig.leadership.tick(1)).toBe(1);
    });
  });

  describe('the store', () => {
    it('keeps everything from one start to the next, under a higher epoch', async () => {
      await decideAll(rig.leadership, [
        commitOf(rig.txid(1), { requestId: 'r' }),
        commitOf(rig.txid(2), { finished: true, requestId: 's' }),
        commitOf(rig.txid(3)),
      ]);
      await rig.leadership.tick(1);
      await rig.leadership.finish([rig.txid(3)]);
      await rig.leadership.collect({ ...collectAll, below: rig.below(3), retentionMs: 1 });
      const before = rig.leadership.witness();
      await rig.log.close();

      const again = await rig.fixture.open('alpha');
      const next = await again.campaign(0, { signal: never });
      expect(again.meta).toEqual(rig.log.meta);
      expect(next.epoch > rig.leadership.epoch).toBe(true);
      expect(BigInt(next.witness().revision)).toBeGreaterThan(BigInt(before.revision));
      const left = await next.pending({ after: null, limit: 10 });
      expect(left).toEqual([commitOf(rig.txid(1), { requestId: 'r' }).record]);
      expect(await again.read(rig.txid(2))).toMatchObject({
        record: null,
        floor: positionOf(rig.txid(2)),
      });
      expect((await again.read(rig.txid(3))).record).toMatchObject({ finished: true });
      expect(next.requestCount()).toBe(1);
      expect(await next.tick(1)).toBe(2);
    });

    it('says so in every method once it is closed', async () => {
      await rig.log.close();
      await rig.log.close();
      const calls = [
        () => rig.log.campaign(0, { signal: never }),
        () => rig.log.read(rig.txid(1)),
        () => rig.log.resolve(rig.txid(1)),
        () => rig.log.retire({ participant: 'p', instance: 'i' }),
        () => rig.log.retired(),
        () => rig.leadership.decide(commitOf(rig.txid(1))),
        () => rig.leadership.finish([rig.txid(1)]),
        () => rig.leadership.pending({ after: null, limit: 1 }),
        () => rig.leadership.readRequest('r'),
        () => rig.leadership.tick(1),
        () => rig.leadership.collect({ ...collectAll, below: rig.below(1) }),
        () => rig.leadership.resign(),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow(DecisionLogError);
      expect(rig.leadership.lost.aborted).toBe(true);
    });
  });

  it('names the nodes that are up', async () => {
    expect(rig.log.nodes()).toMatchObject([{ node: 'alpha' }]);
  });
}
