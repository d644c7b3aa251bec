/**
 * The contract of the DecisionLog port (src/ports/decision-log.ts), run on every implementation. An implementation
 * brings a fixture: one store, on which nodes open logs.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judge } from '../../src/core/judge.ts';
import { makePosition, positionOf, positionZero, type Txid } from '../../src/core/txid.ts';
import {
  type DecisionLog,
  DecisionLogError,
  type Leadership,
  LeadershipLostError,
} from '../../src/ports/decision-log.ts';
import type { DecisionLogFixture } from '../support/log-fixtures.ts';
import { commitOf, epochAbove, never, someBranches, txidAt } from '../support/stores.ts';

const collectAll = {
  retentionTicks: 0,
  retentionTicksMin: 0,
  recordsMax: 1_000,
  keepsRequest: () => false,
  limit: 100,
};

export function decisionLogContract(
  name: string,
  make: () => Promise<DecisionLogFixture>,
  /** Whether several nodes may have the store open at once. */
  { severalNodes }: { readonly severalNodes: boolean },
): void {
  describe(`decision log contract: ${name}`, () => {
    let fixture: DecisionLogFixture;
    let log: DecisionLog;
    let leadership: Leadership;
    const txid = (sequence: number): Txid => txidAt(leadership.epoch, sequence);
    const below = (sequence: number) => makePosition(leadership.epoch, sequence);

    beforeEach(async () => {
      fixture = await make();
      log = await fixture.open('alpha');
      leadership = await log.campaign(0, { signal: never });
    });
    afterEach(() => fixture.dispose());

    describe('decide', () => {
      it('records a commit under decisions/', async () => {
        expect(await leadership.decide([commitOf(txid(1))])).toEqual([{ kind: 'written' }]);
        const reading = await log.read(txid(1));
        expect(reading.record).toEqual({
          outcome: 'commit',
          finished: false,
          record: commitOf(txid(1)).record,
        });
        expect(judge(txid(1), reading, { inDoubt: false })).toEqual({
          decision: 'commit',
          source: 'recorded',
        });
      });

      it('keeps the locks of a commit for the next leader, which reads records without them too', async () => {
        const plain = commitOf(txid(1));
        const locks = { group: 'g', exclusive: ['sku-1', 'Zoë/17'], shared: ['prices'] };
        const locked = commitOf(txid(2));
        const record = { ...locked.record, locks };
        await leadership.decide([plain, { ...locked, record }]);
        await leadership.resign();
        const next = await log.campaign(0, { signal: never });
        expect(await next.pending({ after: null, limit: 10 })).toEqual([plain.record, record]);
      });

      it('records one that nobody owes an acknowledgement for under finished/', async () => {
        const write = commitOf(txid(1), { finished: true, requestId: 'r' });
        expect(await leadership.decide([write])).toEqual([{ kind: 'written' }]);
        expect((await log.read(txid(1))).record).toMatchObject({
          outcome: 'commit',
          finished: true,
        });
        expect(await leadership.pending({ after: null, limit: 10 })).toEqual([]);
        expect(await leadership.readRequest('r')).toEqual({
          txid: txid(1),
          requestHash: 'hash of r',
        });
      });

      it.each([
        ['unfinished', false],
        ['finished', true],
      ])(
        'counts our own record, %s, as written: an earlier attempt landed',
        async (_, finished) => {
          const write = commitOf(txid(1), { requestId: 'r', finished });
          await leadership.decide([write]);
          expect(await leadership.decide([write])).toEqual([{ kind: 'written' }]);
          expect(leadership.requestCount()).toBe(1);
        },
      );

      it('counts our own record as written after it was finished', async () => {
        const write = commitOf(txid(1), { requestId: 'r' });
        await leadership.decide([write]);
        await leadership.finish([txid(1)]);
        expect(await leadership.decide([write])).toEqual([{ kind: 'written' }]);
        expect((await log.read(txid(1))).record?.finished).toBe(true);
        expect(await leadership.pending({ after: null, limit: 10 })).toEqual([]);
      });

      it('says aborted on a forced abort', async () => {
        await log.resolve(txid(1));
        expect(await leadership.decide([commitOf(txid(1))])).toEqual([{ kind: 'aborted' }]);
        expect((await log.read(txid(1))).record?.outcome).toBe('abort');
      });

      it('says aborted on a forced abort that was swept to finished/', async () => {
        await log.resolve(txid(1));
        await leadership.finish([txid(1)]);
        expect(await leadership.decide([commitOf(txid(1))])).toEqual([{ kind: 'aborted' }]);
        expect((await log.read(txid(1))).record).toMatchObject({
          outcome: 'abort',
          finished: true,
        });
      });

      it('says aborted at and below the floor: nothing collected comes alive', async () => {
        await leadership.decide([commitOf(txid(5), { finished: true })]);
        await leadership.collect({ ...collectAll, below: below(9) });
        expect(await leadership.decide([commitOf(txid(5)), commitOf(txid(4))])).toEqual([
          { kind: 'aborted' },
          { kind: 'aborted' },
        ]);
        expect(await leadership.decide([commitOf(txid(6))])).toEqual([{ kind: 'written' }]);
        expect((await log.read(txid(5))).record).toBeNull();
      });

      it('says duplicate where another transaction has the request', async () => {
        await leadership.decide([commitOf(txid(1), { requestId: 'r' })]);
        const entry = { txid: txid(1), requestHash: 'hash of r' };
        expect(await leadership.decide([commitOf(txid(2), { requestId: 'r' })])).toEqual([
          { kind: 'duplicate', entry },
        ]);
        expect((await log.read(txid(2))).record).toBeNull();
        expect(leadership.requestCount()).toBe(1);
      });

      it('lets the first of two with one request in one batch win', async () => {
        const results = await leadership.decide([
          commitOf(txid(2), { requestId: 'r' }),
          commitOf(txid(1), { requestId: 'r', finished: true }),
        ]);
        expect(results).toEqual([
          { kind: 'written' },
          { kind: 'duplicate', entry: { txid: txid(2), requestHash: 'hash of r' } },
        ]);
      });

      it('says of a forced abort with a duplicate request what the request came to', async () => {
        await leadership.decide([commitOf(txid(1), { requestId: 'r' })]);
        await log.resolve(txid(2));
        const [result] = await leadership.decide([commitOf(txid(2), { requestId: 'r' })]);
        // Either rules the commit out; neither may leave a trace.
        expect(result?.kind).toMatch(/^(duplicate|aborted)$/);
        expect((await leadership.readRequest('r'))?.txid).toBe(txid(1));
      });

      it('lets one conflict fail alone', async () => {
        await log.resolve(txid(2));
        await leadership.decide([commitOf(txid(1), { requestId: 'r' })]);
        const results = await leadership.decide([
          commitOf(txid(2)),
          commitOf(txid(3)),
          commitOf(txid(4), { requestId: 'r' }),
          commitOf(txid(5), { requestId: 's' }),
        ]);
        expect(results.map((result) => result.kind)).toEqual([
          'aborted',
          'written',
          'duplicate',
          'written',
        ]);
      });

      it('does nothing for none', async () => {
        expect(await leadership.decide([])).toEqual([]);
      });

      it('answers concurrent calls each with its own results', async () => {
        const calls = Array.from({ length: 100 }, (_, index) =>
          leadership.decide([commitOf(txid(index + 1), { requestId: `r${index % 50}` })]),
        );
        const kinds = (await Promise.all(calls)).map(([result]) => result?.kind);
        expect(kinds.slice(0, 50)).toEqual(Array.from({ length: 50 }, () => 'written'));
        expect(kinds.slice(50)).toEqual(Array.from({ length: 50 }, () => 'duplicate'));
        expect(leadership.requestCount()).toBe(50);
      });

      it('never takes two request ids for one', async () => {
        const ids = ['a', 'A', 'a ', '', '/', 'a/', '\0', '\\u0000', '"', 'é', 'e\u0301'];
        ids.push('\ufffd', '1', '\u{1F600}', 'x'.repeat(128), 'ÿ'.repeat(64));
        const writes = ids.map((requestId, index) => commitOf(txid(index + 1), { requestId }));
        for (const result of await leadership.decide(writes)) expect(result.kind).toBe('written');
        for (const [index, id] of ids.entries()) {
          expect((await leadership.readRequest(id))?.txid, JSON.stringify(id)).toBe(
            txid(index + 1),
          );
        }
        await leadership.finish(writes.map((write) => write.record.txid));
        await leadership.collect({ ...collectAll, below: below(ids.length + 1) });
        expect(leadership.requestCount()).toBe(0);
      });

      it('refuses a request id that is no text, without harm to others', async () => {
        const results = await Promise.allSettled([
          leadership.decide([commitOf(txid(1))]),
          leadership.decide([commitOf(txid(2)), commitOf(txid(3), { requestId: '\ud800' })]),
        ]);
        expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected']);
        expect((await log.read(txid(2))).record).toBeNull();
      });
    });

    describe('finish and pending', () => {
      it('moves what is there, skips what is not, and may be repeated', async () => {
        await leadership.decide([commitOf(txid(1)), commitOf(txid(2))]);
        await leadership.finish([txid(1), txid(9)]);
        await leadership.finish([txid(1)]);
        expect((await log.read(txid(1))).record).toMatchObject({
          outcome: 'commit',
          finished: true,
        });
        expect((await log.read(txid(9))).record).toBeNull();
        const left = await leadership.pending({ after: null, limit: 10 });
        expect(left.map((record) => record.txid)).toEqual([txid(2)]);
      });

      it('pages through pending records in order, forced aborts included', async () => {
        await leadership.decide([3, 1, 4, 2].map((sequence) => commitOf(txid(sequence))));
        await log.resolve(txid(5));
        const first = await leadership.pending({ after: null, limit: 3 });
        const second = await leadership.pending({ after: txid(3), limit: 3 });
        expect(first.map((record) => record.txid)).toEqual([txid(1), txid(2), txid(3)]);
        expect(second.map((record) => record.txid)).toEqual([txid(4), txid(5)]);
        expect(first[0]?.branches).toEqual(someBranches);
        expect(second[1]).toMatchObject({ outcome: 'abort', branches: [] });
      });
    });

    describe('collect', () => {
      it('deletes finished records with their requests and moves the floor', async () => {
        await leadership.decide([
          commitOf(txid(1), { finished: true, requestId: 'r' }),
          commitOf(txid(2), { finished: true }),
        ]);
        const result = await leadership.collect({ ...collectAll, below: below(9) });
        expect(result).toEqual({ collected: 2, floor: positionOf(txid(2)), more: false });
        expect(await leadership.readRequest('r')).toBeNull();
        expect(leadership.requestCount()).toBe(0);
        const reading = await log.read(txid(1));
        expect(judge(txid(1), reading, { inDoubt: false }).decision).toBe('expired');
        expect(judge(txid(1), reading, { inDoubt: true }).decision).toBe('abort');
      });

      it('counts age in ticks and stops at the first record that is too young', async () => {
        await leadership.decide([commitOf(txid(1), { finished: true }), commitOf(txid(2))]);
        await leadership.tick();
        await leadership.tick();
        await leadership.finish([txid(2)]);
        await leadership.decide([commitOf(txid(3), { finished: true })]);
        const options = { ...collectAll, below: below(9), retentionTicks: 2 };
        expect(await leadership.collect(options)).toMatchObject({ collected: 1 });
        await leadership.tick();
        expect(await leadership.collect(options)).toMatchObject({ collected: 0 });
        expect(await leadership.tick()).toBe(4);
        expect(await leadership.collect(options)).toMatchObject({ collected: 2 });
      });

      it('takes younger ones while there are too many, but none below the minimum', async () => {
        const writes = [1, 2, 3, 4].map((n) => commitOf(txid(n), { finished: true }));
        await leadership.decide(writes);
        const options = {
          ...collectAll,
          below: below(9),
          retentionTicks: 100,
          retentionTicksMin: 1,
          recordsMax: 1,
        };
        expect(await leadership.collect(options)).toMatchObject({ collected: 0 });
        await leadership.tick();
        expect(await leadership.collect(options)).toMatchObject({ collected: 3 });
        expect((await log.read(txid(4))).record?.outcome).toBe('commit');
      });

      it('stays below `below`', async () => {
        const writes = [1, 2, 3].map((n) => commitOf(txid(n), { finished: true }));
        await leadership.decide(writes);
        expect(await leadership.collect({ ...collectAll, below: below(2) })).toMatchObject({
          collected: 1,
          floor: positionOf(txid(1)),
        });
      });

      it('stops at a request that is held back', async () => {
        await leadership.decide([
          commitOf(txid(1), { finished: true, requestId: 'a' }),
          commitOf(txid(2), { finished: true, requestId: 'b' }),
          commitOf(txid(3), { finished: true, requestId: 'c' }),
        ]);
        const keepsRequest = (requestId: string) => requestId === 'b';
        expect(
          await leadership.collect({ ...collectAll, below: below(9), keepsRequest }),
        ).toMatchObject({ collected: 1, floor: positionOf(txid(1)) });
        expect((await leadership.readRequest('b'))?.txid).toBe(txid(2));
        expect(leadership.requestCount()).toBe(2);
      });

      it('goes in steps and says whether there is more', async () => {
        const writes = [1, 2, 3, 4].map((n) => commitOf(txid(n), { finished: true }));
        await leadership.decide(writes);
        const options = { ...collectAll, below: below(4), limit: 2 };
        expect(await leadership.collect(options)).toMatchObject({ collected: 2, more: true });
        expect(await leadership.collect(options)).toMatchObject({ collected: 1, more: false });
        expect(await leadership.collect(options)).toMatchObject({ collected: 0, more: false });
      });

      it('never pulls the floor back, and answers a record below it', async () => {
        await leadership.decide([commitOf(txid(1)), commitOf(txid(5), { finished: true })]);
        await leadership.collect({ ...collectAll, below: below(9) });
        expect((await log.read(txid(1))).record?.outcome).toBe('commit');
        await leadership.finish([txid(1)]);
        expect((await log.read(txid(1))).record?.outcome).toBe('commit');
        expect(await leadership.collect({ ...collectAll, below: below(9) })).toMatchObject({
          collected: 1,
          floor: positionOf(txid(5)),
        });
      });
    });

    describe('read and resolve', () => {
      it('reads an undecided transaction as such, under the leader that may decide it', async () => {
        const reading = await log.read(txid(1));
        expect(reading).toMatchObject({ record: null, floor: positionZero });
        expect(reading.leader).toMatchObject({ shard: 0, epoch: leadership.epoch, node: 'alpha' });
        expect(judge(txid(1), reading, { inDoubt: true })).toEqual({ decision: 'undecided' });
      });

      it('resolve ends the doubt by force, once', async () => {
        const first = await log.resolve(txid(1));
        expect(first.record).toMatchObject({ outcome: 'abort', finished: false });
        expect((await log.resolve(txid(1))).record).toEqual(first.record);
        expect((await log.read(txid(1))).record).toEqual(first.record);
      });

      it('resolve leaves a recorded commit alone, finished or not', async () => {
        await leadership.decide([commitOf(txid(1)), commitOf(txid(2), { finished: true })]);
        for (const id of [txid(1), txid(2)]) {
          expect((await log.resolve(id)).record?.outcome).toBe('commit');
        }
      });

      it('resolve writes nothing at or below the floor', async () => {
        await leadership.decide([commitOf(txid(5), { finished: true })]);
        await leadership.collect({ ...collectAll, below: below(9) });
        for (const id of [txid(5), txid(4)]) expect((await log.resolve(id)).record).toBeNull();
        expect(await leadership.pending({ after: null, limit: 10 })).toEqual([]);
      });

      it('resolve writes nothing for an epoch that is over, or has not been', async () => {
        const old = txid(1);
        const next = await fixture.usurp(log, 0);
        const reading = await log.resolve(old);
        expect(reading.record).toBeNull();
        expect(judge(old, reading, { inDoubt: true }).decision).toBe('abort');
        const ahead = txidAt(epochAbove(next.epoch), 1);
        const strange = await log.resolve(ahead);
        expect(strange.record).toBeNull();
        expect(judge(ahead, strange, { inDoubt: true }).decision).toBe('ahead');
        expect(await next.pending({ after: null, limit: 10 })).toEqual([]);
      });

      it('a decide and a resolve of one transaction agree, whichever comes first', async () => {
        const both = await Promise.all(
          Array.from({ length: 20 }, async (_, index) => {
            const id = txid(index + 1);
            const decided = leadership.decide([commitOf(id)]);
            const resolved = log.resolve(id);
            const [[result], reading] = await Promise.all([decided, resolved]);
            return [result?.kind === 'written' ? 'commit' : 'abort', reading.record?.outcome];
          }),
        );
        for (const [decided, read] of both) expect(read).toBe(decided);
      });

      it('refuses a shard that is not there', async () => {
        await expect(log.read(txidAt(leadership.epoch, 1, 35))).rejects.toThrow(DecisionLogError);
        await expect(log.resolve(txidAt(leadership.epoch, 1, 35))).rejects.toThrow(
          DecisionLogError,
        );
      });

      it('the witness rises with every write and comes with what is read', async () => {
        const before = BigInt(leadership.witness().revision);
        await leadership.decide([commitOf(txid(1))]);
        const after = BigInt(leadership.witness().revision);
        expect(after).toBeGreaterThan(before);
        expect(BigInt((await log.read(txid(1))).witness.revision)).toBeGreaterThanOrEqual(after);
        await leadership.finish([txid(1)]);
        expect(BigInt(leadership.witness().revision)).toBeGreaterThan(after);
      });
    });

    describe('leadership', () => {
      it('leads with a place among the leaders', () => {
        expect(leadership.isCertain()).toBe(true);
        expect(leadership.lost.aborted).toBe(false);
        expect(log.leaders()[0]).toMatchObject({ node: 'alpha', epoch: leadership.epoch });
      });

      it('a second leadership has a higher epoch, and the first one may write nothing more', async () => {
        await leadership.decide([commitOf(txid(1)), commitOf(txid(2), { finished: true })]);
        const next = await fixture.usurp(log, 0);
        expect(next.epoch > leadership.epoch).toBe(true);
        await expect(leadership.decide([commitOf(txid(3))])).rejects.toThrow(LeadershipLostError);
        await expect(leadership.finish([txid(1)])).rejects.toThrow(LeadershipLostError);
        await expect(leadership.collect({ ...collectAll, below: below(9) })).rejects.toThrow(
          LeadershipLostError,
        );
        await expect(leadership.tick()).rejects.toThrow(LeadershipLostError);
        await expect(leadership.readRequest('r')).rejects.toThrow(LeadershipLostError);
        await expect(leadership.pending({ after: null, limit: 1 })).rejects.toThrow(
          LeadershipLostError,
        );
        expect(leadership.lost.aborted).toBe(true);
        expect(leadership.isCertain()).toBe(false);
        // Nothing of what was refused left a trace.
        expect((await log.read(txid(3))).record).toBeNull();
        const left = await next.pending({ after: null, limit: 10 });
        expect(left.map((record) => record.txid)).toEqual([txid(1)]);
        expect((await log.read(txid(2))).record?.outcome).toBe('commit');
        expect(await next.tick()).toBe(1);
      });

      it('a leadership that was given up resigns for ever', async () => {
        await leadership.resign();
        expect(leadership.lost.aborted).toBe(true);
        expect(leadership.isCertain()).toBe(false);
        await expect(leadership.decide([commitOf(txid(1))])).rejects.toThrow(LeadershipLostError);
        const reading = await log.read(txid(1));
        expect(reading.leader).toBeNull();
        expect(judge(txid(1), reading, { inDoubt: true }).decision).toBe('abort');
        expect(log.leaders()[0]).toBeNull();
        const next = await log.campaign(0, { signal: never });
        expect(next.epoch > leadership.epoch).toBe(true);
      });

      it('a late resignation does not touch the successor', async () => {
        const next = await fixture.usurp(log, 0);
        await leadership.resign();
        expect(await next.tick()).toBe(1);
      });

      it('watchers hear of changes until they leave', async () => {
        const heard: (string | undefined)[] = [];
        const leave = log.watchLeaders((leaders) => heard.push(leaders[0]?.epoch));
        const next = await fixture.usurp(log, 0);
        await expect.poll(() => heard.at(-1)).toBe(next.epoch);
        leave();
        const count = heard.length;
        await next.resign();
        expect(heard.length).toBe(count);
      });

      it('a campaign ends when it is told to', async () => {
        const signal = AbortSignal.abort(new Error('told to'));
        await expect(log.campaign(0, { signal })).rejects.toThrow('told to');
        expect(await leadership.tick()).toBe(1);
      });
    });

    describe('the store', () => {
      it('keeps everything from one start to the next, under a higher epoch', async () => {
        await leadership.decide([
          commitOf(txid(1), { requestId: 'r' }),
          commitOf(txid(2), { finished: true, requestId: 's' }),
          commitOf(txid(3)),
        ]);
        await leadership.tick();
        await leadership.finish([txid(3)]);
        await leadership.collect({ ...collectAll, below: below(3), retentionTicks: 1 });
        const before = leadership.witness();
        await log.close();

        const again = await fixture.open('alpha');
        const next = await again.campaign(0, { signal: never });
        expect(again.meta).toEqual(log.meta);
        expect(next.epoch > leadership.epoch).toBe(true);
        expect(BigInt(next.witness().revision)).toBeGreaterThan(BigInt(before.revision));
        const left = await next.pending({ after: null, limit: 10 });
        expect(left).toEqual([commitOf(txid(1), { requestId: 'r' }).record]);
        expect(await again.read(txid(2))).toMatchObject({
          record: null,
          floor: positionOf(txid(2)),
        });
        expect((await again.read(txid(3))).record).toMatchObject({ finished: true });
        expect(next.requestCount()).toBe(1);
        expect(await next.tick()).toBe(2);
      });

      it('remembers retired instances', async () => {
        const one = { participant: 'inventory', instance: 'i-1' };
        const other = { participant: 'inventory', instance: 'i-2' };
        await log.retire(one);
        await log.retire(other);
        await log.retire(one);
        await log.close();
        const again = await fixture.open('alpha');
        expect(await again.retired()).toEqual([one, other]);
      });

      it('says so in every method once it is closed', async () => {
        await log.close();
        await log.close();
        const calls = [
          () => log.campaign(0, { signal: never }),
          () => log.read(txid(1)),
          () => log.resolve(txid(1)),
          () => log.retire({ participant: 'p', instance: 'i' }),
          () => log.retired(),
          () => leadership.decide([commitOf(txid(1))]),
          () => leadership.finish([txid(1)]),
          () => leadership.pending({ after: null, limit: 1 }),
          () => leadership.readRequest('r'),
          () => leadership.tick(),
          () => leadership.collect({ ...collectAll, below: below(1) }),
          () => leadership.resign(),
        ];
        for (const call of calls) await expect(call()).rejects.toThrow(DecisionLogError);
        expect(leadership.lost.aborted).toBe(true);
      });
    });

    it('names the nodes that are up', async () => {
      expect(log.nodes()).toMatchObject([{ node: 'alpha' }]);
    });

    if (severalNodes) {
      it('a waiting campaign takes over at once from a leader that is known to be gone', async () => {
        const other = await fixture.open('beta');
        const campaign = other.campaign(0, { signal: never });
        other.leaderGone({ shard: 0, epoch: leadership.epoch });
        const next = await campaign;
        expect(next.epoch > leadership.epoch).toBe(true);
        await expect(leadership.decide([commitOf(txid(1))])).rejects.toThrow(LeadershipLostError);
        expect(await next.tick()).toBe(1);
      });

      it('a leader that was known to be gone before the campaign is not waited for', async () => {
        const other = await fixture.open('beta');
        other.leaderGone({ shard: 0, epoch: leadership.epoch });
        const next = await other.campaign(0, { signal: never });
        expect(next.epoch > leadership.epoch).toBe(true);
      });

      it('evidence against an earlier leader is none against this one', async () => {
        const before = leadership.epoch;
        await leadership.resign();
        leadership = await log.campaign(0, { signal: never });
        const other = await fixture.open('beta');
        other.leaderGone({ shard: 0, epoch: before });
        const stop = new AbortController();
        const campaign = other.campaign(0, { signal: stop.signal });
        campaign.catch(() => undefined);
        for (let write = 1; write <= 20; write += 1)
          await leadership.decide([commitOf(txid(write))]);
        expect(leadership.lost.aborted).toBe(false);
        stop.abort(new Error('told to'));
        await expect(campaign).rejects.toThrow('told to');
      });

      it('watchers hear of nodes that come and go', async () => {
        const heard: string[][] = [];
        const leave = log.watchNodes((nodes) => heard.push(nodes.map(({ node }) => node)));
        const other = await fixture.open('beta');
        await expect.poll(() => heard.at(-1)).toEqual(['alpha', 'beta']);
        await expect.poll(() => other.nodes().length).toBe(2);
        await other.close();
        await expect.poll(() => heard.at(-1)).toEqual(['alpha']);
        leave();
        await fixture.open('gamma');
        expect(heard.at(-1)).toEqual(['alpha']);
      });

      it('a second node waits for the leadership, and has it when the first gives it up', async () => {
        const other = await fixture.open('beta');
        let won = false;
        const campaign = other.campaign(0, { signal: never }).then((next) => {
          won = true;
          return next;
        });
        await leadership.decide([commitOf(txid(1))]);
        expect(won).toBe(false);
        expect(other.leaders()[0]?.node).toBe('alpha');
        await log.close();
        const next = await campaign;
        expect(next.epoch > leadership.epoch).toBe(true);
        expect((await other.read(txid(1))).record?.outcome).toBe('commit');
      });

      it('a waiting campaign ends with its signal or its log', async () => {
        const other = await fixture.open('beta');
        const stop = new AbortController();
        const told = expect(other.campaign(0, { signal: stop.signal })).rejects.toThrow('told to');
        const closed = expect(other.campaign(0, { signal: never })).rejects.toThrow(
          DecisionLogError,
        );
        stop.abort(new Error('told to'));
        await told;
        await other.close();
        await closed;
        expect(await leadership.tick()).toBe(1);
      });
    }
  });
}
