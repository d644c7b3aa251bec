import { describe, expect, it } from 'vitest';
import { a1, c1, TermHarness } from '../../../support/core/term-harness.ts';

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
