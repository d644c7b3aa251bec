import { describe, expect, it } from 'vitest';
import { a1, a2, c1, TermHarness } from '../../../support/core/term-harness.ts';

describe('an interactive transaction', () => {
  it('takes branches while PENDING, the same one twice, and none after commit', () => {
    const h = new TermHarness();
    h.connect(a1);
    const txid = h.begin();
    const enlist = {
      type: 'enlist',
      txid,
      participant: 'a',
      payload: { n: 1, list: [1] },
    } as const;
    expect(h.reply(h.ask(enlist))).toMatchObject({ type: 'enlisted', branch: 'a' });
    expect(h.reply(h.ask({ ...enlist, payload: { list: [1], n: 1 } }))).toMatchObject({
      type: 'enlisted',
    });
    expect(h.reply(h.ask({ ...enlist, payload: 2 }))).toMatchObject({ code: 'WRONG_STATE' });
    expect(h.reply(h.ask({ ...enlist, branch: 'other' }))).toMatchObject({ branch: 'other' });
    h.ask({ type: 'commit', txid });
    expect(h.reply(h.ask({ ...enlist, branch: 'late' }))).toMatchObject({ code: 'WRONG_STATE' });
    h.ask({ type: 'rollback', txid });
    expect(h.reply(h.ask({ ...enlist, branch: 'late' }))).toMatchObject({ code: 'WRONG_STATE' });
  });

  it('gives a branch to the participant that enlists itself, and to no other instance', () => {
    const h = new TermHarness();
    const own = h.connect(a1);
    const other = h.connect(a2);
    for (let turn = 0; turn < 3; turn += 1) {
      const txid = h.begin();
      h.ask({ type: 'enlist', txid, participant: 'a' }, { as: own });
      expect(
        h.reply(h.ask({ type: 'enlist', txid, participant: 'a' }, { as: other })),
      ).toMatchObject({ code: 'WRONG_STATE' });
      h.ask({ type: 'commit', txid });
    }
    expect(h.sent(own, 'prepare')).toHaveLength(3);
    expect(h.sent(other, 'prepare')).toHaveLength(0);
  });

  it('answers commit and rollback of one that ended with its outcome, and a second commit with the first', () => {
    const h = new TermHarness();
    const c = h.connect(c1);
    const txid = h.begin();
    h.ask({ type: 'enlist', txid, participant: 'c' });
    const both = [h.ask({ type: 'commit', txid }), h.ask({ type: 'commit', txid })];
    h.vote(c, 'commit', { txid });
    h.log();
    for (const id of both) expect(h.reply(id)).toMatchObject({ outcome: 'committed' });
    expect(h.reply(h.ask({ type: 'rollback', txid }))).toMatchObject({ outcome: 'committed' });
    h.ack(c, 'commit', { txid });
    expect(h.reply(h.ask({ type: 'rollback', txid }))).toMatchObject({ outcome: 'committed' });
  });

  it('commits at once where it has no branches', () => {
    const h = new TermHarness();
    const txid = h.begin();
    const id = h.ask({ type: 'commit', txid });
    expect(h.reply(id)).toMatchObject({ outcome: 'committed', readonly: true });
  });

  it('takes 0 for the default time-out, and cuts to the longest', () => {
    const h = new TermHarness({ transactionTimeoutMs: 700, maxTransactionTimeoutMs: 900 });
    const told = (timeoutMs?: number): unknown =>
      h.reply(h.ask({ type: 'begin', ...(timeoutMs === undefined ? {} : { timeoutMs }) }));
    expect([told(), told(0), told(800), told(5_000)]).toMatchObject([
      { timeoutMs: 700 },
      { timeoutMs: 700 },
      { timeoutMs: 800 },
      { timeoutMs: 900 },
    ]);
  });
});

describe('limits', () => {
  it('hold for transactions, those included whose record has not moved', () => {
    const h = new TermHarness({ maxTransactions: 1 });
    const a = h.connect(a1);
    h.transact(['a']);
    const full = { code: 'BUSY', retryable: true };
    expect(h.reply(h.ask({ type: 'begin' }))).toMatchObject(full);
    h.vote(a, 'commit');
    h.log();
    h.ack(a, 'commit');
    expect(h.reply(h.ask({ type: 'begin' }))).toMatchObject(full);
    h.log();
    expect(h.reply(h.ask({ type: 'begin' }))).toMatchObject({ type: 'begun' });
  });

  it('hold for branches and for the size of the record', () => {
    const h = new TermHarness({ maxBranches: 2, maxRecordBytes: 1_024 });
    expect(h.reply(h.transact(['a', 'b', 'c']))).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(h.reply(h.transact(['a'.repeat(500), 'b']))).toMatchObject({ code: 'TOO_LARGE' });
    expect(h.reply(h.transact([]))).toMatchObject({ code: 'INVALID_MESSAGE' });
    expect(h.reply(h.transact(['a', 'a']))).toMatchObject({ code: 'INVALID_MESSAGE' });
    const txid = h.begin();
    const enlist = (participant: string): unknown =>
      h.reply(h.ask({ type: 'enlist', txid, participant }));
    expect(enlist('x'.repeat(500))).toMatchObject({ code: 'TOO_LARGE' });
    enlist('a');
    enlist('b');
    expect(enlist('c')).toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('hold for what is remembered of ended ones', () => {
    const h = new TermHarness({ maxRecent: 2 });
    for (let turn = 0; turn < 5; turn += 1) h.ask({ type: 'rollback', txid: h.begin() });
    expect(h.world.term.list({}).transactions).toHaveLength(2);
    const page = h.world.term.list({ limit: 1 });
    expect(page).toMatchObject({ truncated: true, transactions: [{ txid: h.txid }] });
    expect(h.world.term.list({ state: 'PENDING' })).toEqual({ transactions: [], truncated: false });
  });

  it('take no new work while draining, and finish what there is', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId: 'r' });
    h.world.step({ type: 'drain' });
    expect(h.reply(h.ask({ type: 'begin' }))).toMatchObject({ code: 'BUSY' });
    const joined = h.transact(['a'], { requestId: 'r' });
    h.vote(a, 'commit');
    h.log();
    for (const asked of [id, joined])
      expect(h.reply(asked)).toMatchObject({ outcome: 'committed' });
  });

  it('keep a result under any name an ordinary key', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.ask({
      type: 'transact',
      announce: true,
      branches: [{ participant: 'a', branch: '__proto__' }],
    });
    const peer = h.world.open[0];
    if (peer === undefined) throw new Error('no one is connected');
    h.world.from(peer, {
      type: 'vote',
      txid: h.txid,
      branch: '__proto__',
      vote: 'commit',
      result: { x: 1 },
    });
    h.log();
    const { results } = h.reply(id) as { results: Record<string, unknown> };
    expect(Object.keys(results)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(results)).toBe(Object.prototype);
    expect(h.sent(a, 'commit')).toHaveLength(1);
  });
});
