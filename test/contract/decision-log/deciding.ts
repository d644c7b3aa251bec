/** What becomes of a decision: written once, or an answer that says what is there. */
import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/core/judge.ts';
import { commitOf, decideAll, never } from '../../support/logs/stores.ts';
import { collectAll, type LogRig } from './rig.ts';

export function deciding(rig: LogRig): void {
  describe('decide', () => {
    it('records a commit under decisions/', async () => {
      expect(await rig.leadership.decide(commitOf(rig.txid(1)))).toEqual({ type: 'written' });
      const reading = await rig.log.read(rig.txid(1));
      expect(reading.record).toEqual({
        outcome: 'commit',
        finished: false,
        record: commitOf(rig.txid(1)).record,
      });
      expect(judge(rig.txid(1), reading, { inDoubt: false })).toEqual({
        decision: 'commit',
        source: 'recorded',
      });
    });

    it('keeps the locks of a commit for the next leader, which reads records without them too', async () => {
      const plain = commitOf(rig.txid(1));
      const locks = { group: 'g', exclusive: ['sku-1', 'Zoë/17'], shared: ['prices'] };
      const locked = commitOf(rig.txid(2));
      const record = { ...locked.record, locks };
      await decideAll(rig.leadership, [plain, { ...locked, record }]);
      await rig.leadership.resign();
      const next = await rig.log.campaign(0, { signal: never });
      expect(await next.pending({ after: null, limit: 10 })).toEqual([plain.record, record]);
    });

    it('takes the largest record that a node may be configured to, and many of them at once', async () => {
      const large = Array.from({ length: 24 }, (_, index) => {
        const { record, ...write } = commitOf(rig.txid(index + 1));
        const exclusive = Array.from({ length: 245 }, (_unused, key) => `${key}`.padEnd(256, 'x'));
        return { ...write, record: { ...record, locks: { group: 'g', exclusive, shared: [] } } };
      });
      const results = await decideAll(rig.leadership, large);
      expect(results).toEqual(large.map(() => ({ type: 'written' })));
      const pending = await rig.leadership.pending({ after: null, limit: 100 });
      expect(pending).toEqual(large.map(({ record }) => record));
    });

    it('records one that no one owes an acknowledgement for under finished/', async () => {
      const write = commitOf(rig.txid(1), { finished: true, requestId: 'r' });
      expect(await rig.leadership.decide(write)).toEqual({ type: 'written' });
      expect((await rig.log.read(rig.txid(1))).record).toMatchObject({
        outcome: 'commit',
        finished: true,
      });
      expect(await rig.leadership.pending({ after: null, limit: 10 })).toEqual([]);
      expect(await rig.leadership.readRequest('r')).toEqual({
        txid: rig.txid(1),
        requestHash: 'hash of r',
      });
    });

    it.each([
      ['unfinished', false],
      ['finished', true],
    ])('counts our own record, %s, as written: an earlier attempt landed', async (_, finished) => {
      const write = commitOf(rig.txid(1), { requestId: 'r', finished });
      await rig.leadership.decide(write);
      expect(await rig.leadership.decide(write)).toEqual({ type: 'written' });
      expect(rig.leadership.requestCount()).toBe(1);
    });

    it('counts our own record as written after it was finished', async () => {
      const write = commitOf(rig.txid(1), { requestId: 'r' });
      await rig.leadership.decide(write);
      await rig.leadership.finish([rig.txid(1)]);
      expect(await rig.leadership.decide(write)).toEqual({ type: 'written' });
      expect((await rig.log.read(rig.txid(1))).record?.finished).toBe(true);
      expect(await rig.leadership.pending({ after: null, limit: 10 })).toEqual([]);
    });

    it('says aborted on a forced abort', async () => {
      await rig.log.resolve(rig.txid(1));
      expect(await rig.leadership.decide(commitOf(rig.txid(1)))).toEqual({ type: 'aborted' });
      expect((await rig.log.read(rig.txid(1))).record?.outcome).toBe('abort');
    });

    it('says aborted on a forced abort that was swept to finished/', async () => {
      await rig.log.resolve(rig.txid(1));
      await rig.leadership.finish([rig.txid(1)]);
      expect(await rig.leadership.decide(commitOf(rig.txid(1)))).toEqual({ type: 'aborted' });
      expect((await rig.log.read(rig.txid(1))).record).toMatchObject({
        outcome: 'abort',
        finished: true,
      });
    });

    it('says aborted at and below the floor: nothing collected comes alive', async () => {
      await rig.leadership.decide(commitOf(rig.txid(5), { finished: true }));
      await rig.leadership.collect({ ...collectAll, below: rig.below(9) });
      expect(
        await decideAll(rig.leadership, [commitOf(rig.txid(5)), commitOf(rig.txid(4))]),
      ).toEqual([{ type: 'aborted' }, { type: 'aborted' }]);
      expect(await rig.leadership.decide(commitOf(rig.txid(6)))).toEqual({ type: 'written' });
      expect((await rig.log.read(rig.txid(5))).record).toBeNull();
    });

    it('says duplicate where another transaction has the request', async () => {
      await rig.leadership.decide(commitOf(rig.txid(1), { requestId: 'r' }));
      const entry = { txid: rig.txid(1), requestHash: 'hash of r' };
      expect(await rig.leadership.decide(commitOf(rig.txid(2), { requestId: 'r' }))).toEqual({
        type: 'duplicate',
        entry,
      });
      expect((await rig.log.read(rig.txid(2))).record).toBeNull();
      expect(rig.leadership.requestCount()).toBe(1);
    });

    it('lets the first of two with one request in one batch win', async () => {
      const results = await decideAll(rig.leadership, [
        commitOf(rig.txid(2), { requestId: 'r' }),
        commitOf(rig.txid(1), { requestId: 'r', finished: true }),
      ]);
      expect(results).toEqual([
        { type: 'written' },
        { type: 'duplicate', entry: { txid: rig.txid(2), requestHash: 'hash of r' } },
      ]);
    });

    it('says of a forced abort with a duplicate request what the request came to', async () => {
      await rig.leadership.decide(commitOf(rig.txid(1), { requestId: 'r' }));
      await rig.log.resolve(rig.txid(2));
      const result = await rig.leadership.decide(commitOf(rig.txid(2), { requestId: 'r' }));
      // Either rules the commit out; neither may leave a trace.
      expect(result.type).toMatch(/^(duplicate|aborted)$/);
      expect((await rig.leadership.readRequest('r'))?.txid).toBe(rig.txid(1));
    });

    it('lets one conflict fail alone', async () => {
      await rig.log.resolve(rig.txid(2));
      await rig.leadership.decide(commitOf(rig.txid(1), { requestId: 'r' }));
      const results = await decideAll(rig.leadership, [
        commitOf(rig.txid(2)),
        commitOf(rig.txid(3)),
        commitOf(rig.txid(4), { requestId: 'r' }),
        commitOf(rig.txid(5), { requestId: 's' }),
      ]);
      expect(results.map((result) => result.type)).toEqual([
        'aborted',
        'written',
        'duplicate',
        'written',
      ]);
    });

    it('answers concurrent calls each with its own result', async () => {
      const calls = Array.from({ length: 100 }, (_, index) =>
        rig.leadership.decide(commitOf(rig.txid(index + 1), { requestId: `r${index % 50}` })),
      );
      const kinds = (await Promise.all(calls)).map((result) => result.type);
      expect(kinds.slice(0, 50)).toEqual(Array.from({ length: 50 }, () => 'written'));
      expect(kinds.slice(50)).toEqual(Array.from({ length: 50 }, () => 'duplicate'));
      expect(rig.leadership.requestCount()).toBe(50);
    });

    it('never takes two request ids for one', async () => {
      const ids = ['a', 'A', 'a ', '', '/', 'a/', '\0', '\\u0000', '"', 'é', 'e\u0301'];
      ids.push('\ufffd', '1', '\u{1F600}', 'x'.repeat(128), 'ÿ'.repeat(64));
      const writes = ids.map((requestId, index) => commitOf(rig.txid(index + 1), { requestId }));
      const results = await decideAll(rig.leadership, writes);
      for (const result of results) expect(result.type).toBe('written');
      for (const [index, id] of ids.entries()) {
        expect((await rig.leadership.readRequest(id))?.txid, JSON.stringify(id)).toBe(
          rig.txid(index + 1),
        );
      }
      await rig.leadership.finish(writes.map((write) => write.record.txid));
      await rig.leadership.collect({ ...collectAll, below: rig.below(ids.length + 1) });
      expect(rig.leadership.requestCount()).toBe(0);
    });

    it('refuses a request id that is no text, without harm to others of its turn', async () => {
      const results = await Promise.allSettled([
        rig.leadership.decide(commitOf(rig.txid(1))),
        rig.leadership.decide(commitOf(rig.txid(2), { requestId: '\ud800' })),
        rig.leadership.decide(commitOf(rig.txid(3))),
      ]);
      expect(results.map((result) => result.status)).toEqual([
        'fulfilled',
        'rejected',
        'fulfilled',
      ]);
      const reads = await Promise.all([1, 2, 3].map((one) => rig.log.read(rig.txid(one))));
      expect(reads.map(({ record }) => record?.outcome)).toEqual(['commit', undefined, 'commit']);
    });
  });
}
