import { describe, expect, it } from 'vitest';
import { a1, c1, TermHarness } from '../../../support/core/term-harness.ts';
import type { TermWorld } from '../../../support/core/term-world.ts';

describe('a scan', () => {
  it('takes up the commits of earlier leaderships until all have acknowledged', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const txid = h.world.inherit(1 + 16, { requestId: null, finished: false });
    h.world.scan();
    h.log();
    expect(h.world.term.resumedByScan).toBe(1);
    expect(h.sent(a, 'commit')).toMatchObject([{ txid, branch: 'x-a1' }]);
    expect(h.status(txid).state).toBe('COMMITTING');
    h.ack(a, 'commit', { txid, branch: 'x-a1' });
    h.ack(h.connect(c1), 'commit', { txid, branch: 'x-c1' });
    h.log();
    expect(h.world.log.records.get(txid)?.finished).toBe(true);
    expect(h.sent(a, 'forget')).toMatchObject([{ txids: [txid] }]);
    const id = h.ask({ type: 'commit', txid });
    expect(h.reply(id)).toMatchObject({ outcome: 'committed', results: null });
  });

  it('passes over what ended while it ran', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    h.transact(['a']);
    h.vote(a, 'commit');
    h.log();
    h.world.scan();
    h.ack(a, 'commit');
    const page = h.world.work.splice(0, 2);
    h.log();
    h.world.work.push(...page);
    h.log();
    expect(h.world.term.size).toBe(0);
    expect(h.sent(a, 'commit')).toHaveLength(1);
    expect(h.noted('record-without-memory')).toBe(0);
  });

  it('passes over what had ended before it, and moved while it ran', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    h.transact(['a']);
    h.vote(a, 'commit');
    h.log();
    h.ack(a, 'commit');
    h.world.scan();
    const page = h.world.work.splice(1, 2);
    h.log();
    expect(h.sent(a, 'forget')).toHaveLength(1);
    h.world.work.push(...page);
    h.log();
    expect(h.world.term.size).toBe(0);
    expect(h.sent(a, 'commit')).toHaveLength(1);
  });

  it('keeps what ended until the last of two overlapping scans is over', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const txid = h.world.inherit(1, { requestId: null, finished: false });
    const page = { type: 'scanned', records: h.world.log.pending() } as const;
    h.world.step({ type: 'scan-started' });
    h.world.step(page);
    h.world.step({ type: 'scan-started' });
    h.ack(a, 'commit', { txid, branch: 'x-a1' });
    h.log();
    h.world.step({ type: 'scan-ended' });
    h.world.step(page);
    h.world.step({ type: 'scan-ended' });
    expect(h.world.term.size).toBe(0);
    expect(h.sent(a, 'commit')).toHaveLength(1);
  });

  it('aborts in memory before it moves a forced abort, and leaves READY to the log', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a']);
    h.world.log.force(h.txid);
    h.world.scan();
    h.world.answer(0);
    expect(h.reply(id)).toMatchObject({ outcome: 'aborted', reason: { code: 'FORCED' } });
    h.log();
    expect(h.world.log.records.get(h.txid)?.finished).toBe(true);
    const second = h.transact(['a']);
    h.vote(a, 'commit');
    h.world.log.force(h.txid);
    h.world.scan();
    h.world.answer(1);
    expect(h.status().state).toBe('READY');
    expect(h.world.work.filter(({ kind }) => kind === 'finish')).toEqual([]);
    h.log();
    expect(h.reply(second)).toMatchObject({ outcome: 'aborted' });
  });

  it('never lets the floor reach what is undecided', () => {
    const h = new TermHarness();
    h.world.inherit(1, { requestId: null, finished: false });
    h.world.scan();
    h.log();
    const first = h.begin();
    const second = h.begin();
    const { term } = h.world;
    expect(first.includes(term.undecidedFrom())).toBe(true);
    h.ask({ type: 'rollback', txid: first });
    expect(second.includes(term.undecidedFrom())).toBe(true);
    h.ask({ type: 'rollback', txid: second });
    expect(term.undecidedFrom() > second.slice(2)).toBe(true);
    expect(term.undecided()).toBe(0);
  });
});

describe('a doubt that comes while decisions/ is read for the first time', () => {
  const inherited = { requestId: null, finished: false };
  /** A scan whose page is read and has not arrived. */
  function scanning(h: TermHarness): readonly TermWorld['work'][number][] {
    h.world.scan();
    return h.world.work.splice(0);
  }
  function reads(h: TermHarness): number {
    return h.world.work.filter(({ kind }) => kind === 'read').length;
  }

  it('is ended by what was read, without a reading of its own', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const txid = h.world.inherit(1, inherited);
    const page = scanning(h);
    const query = h.ask({ type: 'query', txid, inDoubt: true }, { as: a });
    const resolve = h.ask({ type: 'resolve', txid }, { as: a });
    expect(reads(h)).toBe(0);
    expect(h.reply(query)).toBeUndefined();
    h.world.work.push(...page);
    h.log();
    expect(h.reply(query)).toMatchObject({ decision: 'commit' });
    expect(h.reply(resolve)).toMatchObject({ decision: 'commit' });
  });

  it.each([
    { finished: true, decision: 'commit' },
    { finished: false, decision: 'abort' },
  ])('is judged by the log where nothing of it was read: $decision', ({ finished, decision }) => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const txid = h.world.inherit(1, { ...inherited, finished });
    if (!finished) h.world.log.records.delete(txid);
    const page = scanning(h);
    const query = h.ask({ type: 'query', txid, inDoubt: true }, { as: a });
    const inDoubt = [{ txid, witness: { generation: 0, revision: '0' } }];
    const report = h.ask({ type: 'report', inDoubt, kept: [] }, { as: a });
    h.world.work.push(...page);
    h.world.answer(0);
    h.world.answer(0);
    expect(reads(h)).toBe(2);
    h.log();
    expect(h.reply(query)).toMatchObject({ decision });
    expect(h.sent(a, 'decision').filter(({ id }) => id === undefined)).toMatchObject([
      { txid, decision },
    ]);
    expect(h.reply(report)).toMatchObject({ type: 'reported' });
  });

  it('goes to the log where the reading fails, and is refused where the leadership ends', () => {
    for (const end of [{ type: 'scan-ended', failed: true }, { type: 'lost' }] as const) {
      const h = new TermHarness();
      const a = h.connect(a1);
      const txid = h.world.inherit(1, inherited);
      scanning(h);
      const query = h.ask({ type: 'query', txid, inDoubt: true }, { as: a });
      h.world.step(end);
      h.log();
      expect(h.reply(query)).toMatchObject(
        end.type === 'lost' ? { code: 'NOT_LEADER' } : { decision: 'commit' },
      );
    }
  });

  it('waits with a bound, and goes with its connection', () => {
    const h = new TermHarness();
    const [a, other] = [h.connect(a1), h.connect(c1)];
    const txid = h.world.inherit(1, inherited);
    scanning(h);
    const query = { type: 'query', txid, inDoubt: true } as const;
    for (let count = 0; count < 1_000; count += 1) h.ask(query, { as: a });
    expect(h.reply(h.ask(query, { as: a }))).toMatchObject({ code: 'BUSY' });
    expect(h.reply(h.ask(query, { as: other }))).toBeUndefined();
    expect(h.world.term.hasWaitingDoubts).toBe(true);
    h.lose(a);
    h.lose(other);
    expect(h.world.term.hasWaitingDoubts).toBe(false);
  });

  it('is answered in pieces, each connection in its turn', () => {
    const h = new TermHarness();
    const [a, other] = [h.connect(a1), h.connect(c1)];
    const txid = h.world.inherit(1 + 16, inherited);
    const page = scanning(h);
    const query = { type: 'query', txid, inDoubt: true } as const;
    for (let count = 0; count < 900; count += 1) h.ask(query, { as: a });
    const last = h.ask(query, { as: other });
    h.world.work.push(...page);
    h.log();
    expect(h.sent(a, 'decision')).toHaveLength(249);
    expect(h.reply(last)).toMatchObject({ decision: 'commit' });
    while (h.world.term.hasWaitingDoubts) h.world.step({ type: 'doubts-due' });
    expect(h.sent(a, 'decision')).toHaveLength(900);
  });

  it('of a client does not wait', () => {
    const h = new TermHarness();
    const txid = h.world.inherit(1, inherited);
    scanning(h);
    const id = h.ask({ type: 'status', txid });
    expect(reads(h)).toBe(1);
    h.log();
    expect(h.reply(id)).toMatchObject({ state: 'COMMITTING' });
  });
});

it('tells a report nothing twice: a commit that is under way to its sender is no decision too', () => {
  const h = new TermHarness({ commandWindow: 1 });
  const a = h.connect(a1);
  const [first, second] = [1, 17].map((at) =>
    h.world.inherit(at, { requestId: null, finished: false }),
  );
  if (first === undefined || second === undefined) throw new Error('Nothing was inherited.');
  h.world.scan();
  h.log();
  const witness = { generation: 0, revision: '0' };
  const inDoubt = [first, second].map((txid) => ({ txid, witness }));
  const report = h.ask({ type: 'report', inDoubt, kept: [] }, { as: a });
  expect(h.reply(report)).toMatchObject({ type: 'reported' });
  expect(h.sent(a, 'decision')).toEqual([]);
  expect(h.sent(a, 'commit')).toMatchObject([{ txid: first }]);
  h.ack(a, 'commit', { txid: first, branch: 'x-a1' });
  expect(h.sent(a, 'commit')).toMatchObject([{ txid: first }, { txid: second }]);
});

describe('a lost leadership', () => {
  it('answers everybody once: what was never handed to the log is aborted, but a request id is unknown', () => {
    const h = new TermHarness();
    h.connect(a1);
    const plain = h.transact(['a']);
    const request = h.transact(['a'], { requestId: 'r' });
    const asked = h.transact(['a'], { requestId: 's', attempt: 2 });
    h.world.step({ type: 'lost' });
    expect(h.reply(plain)).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'LEADER_CHANGED' },
    });
    expect(h.reply(request)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(h.reply(asked)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(h.world.term.wakeAtMs()).toBeNull();
    h.log();
    h.world.checker.end();
  });

  it('says nothing of an abort whose reading has not come', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId: 'r' });
    h.vote(a, 'abort');
    h.world.step({ type: 'lost' });
    expect(h.reply(id)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    h.log();
    h.world.checker.end();
  });

  it.each([
    { landed: true, requestId: undefined, fail: false, answer: { outcome: 'committed' } },
    { landed: true, requestId: 'r', fail: false, answer: { outcome: 'committed' } },
    { landed: false, requestId: undefined, fail: false, answer: { outcome: 'aborted' } },
    { landed: false, requestId: 'r', fail: false, answer: { code: 'OUTCOME_UNKNOWN' } },
    { landed: true, requestId: undefined, fail: true, answer: { code: 'OUTCOME_UNKNOWN' } },
  ])('reads the fate of what was being written: $landed $requestId $fail', (row) => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a'], row.requestId === undefined ? {} : { requestId: row.requestId });
    h.vote(a, 'commit');
    if (row.landed) h.world.answer(0);
    h.world.work.splice(0);
    h.world.step({ type: 'lost' });
    expect(h.reply(id)).toMatchObject({ type: 'begun' });
    h.world.answer(0, { fail: row.fail });
    expect(h.reply(id)).toMatchObject(row.answer);
    expect(h.sent(a, 'commit'), 'phase 2 is the successor’s').toEqual([]);
    h.world.checker.end();
  });

  it('does not take "undecided" for an answer', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a']);
    h.vote(a, 'commit');
    const { leader } = h.world.log;
    h.world.step({ type: 'lost' });
    h.world.log.leader = leader;
    h.world.answer(1);
    expect(h.reply(id)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
  });
});
