import { describe, expect, it } from 'vitest';
import { a1, b1, b2, TermHarness } from '../../../support/core/term-harness.ts';

const word = { branch: 'b', reason: 'restored; booked by hand', by: 'ops' };

/** Committed over `a`, which has acknowledged, and `b`, which is gone. */
function stuck(): { h: TermHarness; a: number } {
  const h = new TermHarness({ retryDelayMs: 100, maxRetryDelayMs: 400, ackTimeoutMs: 1_000 });
  h.world.scan();
  h.log();
  const [a, b] = [h.connect(a1), h.connect(b1)];
  h.transact(['a', 'b'], { locks: [{ keys: ['k'] }], lockGroup: 'default' });
  h.vote(a, 'commit');
  h.vote(b, 'commit');
  h.log();
  h.lose(b);
  h.ack(a, 'commit');
  expect(h.status().state).toBe('COMMITTING');
  return { h, a };
}

function settle(h: TermHarness, more: Partial<typeof word> = {}): number {
  const id = h.ask({ type: 'acknowledge', txid: h.txid, ...word, ...more });
  return id;
}

describe('a branch that was settled by hand', () => {
  it('is answered when the log has it; the transaction ends, and its record stays', () => {
    const { h, a } = stuck();
    const id = settle(h);
    expect(h.reply(id), 'not yet durable').toBeUndefined();
    h.log();
    expect(h.reply(id)).toMatchObject({ byHand: true, state: 'COMMITTED' });
    expect(h.world.term.size).toBe(0);
    expect(h.sent(a, 'forget')).toMatchObject([{ txids: [h.txid] }]);
    const record = h.world.log.records.get(h.txid);
    expect(record).toMatchObject({ finished: false, record: { outcome: 'commit' } });
    expect(record?.record.branches).toMatchObject([{ branch: 'b', instance: 'b1' }]);
    expect(record?.record.locks).toBeUndefined();
    const said = { by: 'ops', reason: word.reason, atMs: 0 };
    expect(h.branch('b')).toMatchObject({ state: 'committed', byHand: said });
    const again = settle(h);
    expect(h.reply(again), 'repeated').toMatchObject({ byHand: true, state: 'COMMITTED' });
  });

  it('frees its locks', () => {
    const { h, a } = stuck();
    h.transact(['a'], { locks: [{ keys: ['k'] }], lockGroup: 'default' });
    expect(h.sent(a, 'prepare')).toHaveLength(1);
    h.ask({ type: 'acknowledge', txid: h.world.txids[0] as never, ...word });
    h.log();
    expect(h.sent(a, 'prepare')).toHaveLength(2);
  });

  it('is told the commit when it is back, and its acknowledgement lets the record go', () => {
    for (const asks of ['report', 'kept', 'query', 'resolve', 'retry'] as const) {
      const { h } = stuck();
      settle(h);
      h.log();
      const b = h.connect(b1);
      expect(h.sent(b, 'commit'), 'at once').toHaveLength(1);
      h.ack(b, 'commit', { code: 'INTERNAL' });
      const { txid } = h;
      const witness = { generation: 0, revision: '1' };
      if (asks === 'report') {
        h.ask({ type: 'report', inDoubt: [{ txid, witness }], kept: [] }, { as: b });
      } else if (asks === 'kept') h.ask({ type: 'report', inDoubt: [], kept: [txid] }, { as: b });
      else if (asks === 'query') h.ask({ type: 'query', txid, inDoubt: true }, { as: b });
      else if (asks === 'resolve') h.ask({ type: 'resolve', txid }, { as: b });
      else h.ask({ type: 'retry', txid });
      h.log();
      if (asks !== 'kept' && asks !== 'retry') {
        expect(h.sent(b, 'decision'), asks).toMatchObject([{ txid, decision: 'commit' }]);
      }
      expect(h.sent(b, 'commit')[1], asks).toMatchObject({ txid, branch: 'b' });
      expect(h.sent(b, 'forget'), asks).toHaveLength(0);
      h.ack(b, 'commit');
      h.log();
      expect(h.world.log.records.get(txid)?.finished, asks).toBe(true);
      expect(h.sent(b, 'forget'), asks).toMatchObject([{ txids: [txid] }]);
    }
  });

  it('may acknowledge while the log writes the word, or writes the end', () => {
    for (const turns of [0, 1, 2, 3]) {
      const { h } = stuck();
      const b = h.connect(b1);
      const id = settle(h);
      for (let turn = 0; turn < turns; turn += 1) h.world.answer(0);
      h.ack(b, 'commit');
      h.log();
      expect(h.reply(id), `after ${turns}`).toMatchObject({ byHand: turns > 1 });
      expect(h.world.log.records.get(h.txid)?.finished, `after ${turns}`).toBe(true);
      expect(h.sent(b, 'forget'), `after ${turns}`).toHaveLength(1);
    }
  });

  it('owes the next leader nothing, which learns of it from the log', () => {
    const { h } = stuck();
    settle(h);
    h.log();
    const record = h.world.log.records.get(h.txid);
    const next = new TermHarness();
    next.world.txids.push(h.txid);
    if (record !== undefined) next.world.log.records.set(h.txid, record);
    next.world.step({ type: 'scan-started' });
    next.world.step({ type: 'scanned', records: next.world.log.pending() });
    next.world.step({ type: 'scan-ended' });
    expect(next.world.term.size).toBe(0);
    expect(next.world.work, 'the record is as it is to be').toEqual([]);
    expect(next.status()).toMatchObject({
      state: 'COMMITTED',
      branches: [{ branch: 'b', byHand: { by: 'ops' } }],
    });
    const b = next.connect(b2);
    next.ask({ type: 'query', txid: h.txid, inDoubt: true }, { as: b });
    // A sibling on the shared resource may end it.
    next.ack(b, 'commit', { txid: h.txid });
    next.log();
    expect(next.world.log.records.get(h.txid)?.finished).toBe(true);
  });

  it('keeps its participant from forgetting the other branch that it has in it', () => {
    const h = new TermHarness();
    h.world.scan();
    h.log();
    const [a, b] = [h.connect(a1), h.connect(b1)];
    const branches = [
      { participant: 'a' },
      { participant: 'b' },
      { participant: 'b', branch: 'second' },
    ];
    h.transact([], { branches });
    h.vote(a, 'commit');
    h.vote(b, 'commit');
    h.vote(b, 'commit', { branch: 'second' });
    h.log();
    h.ack(a, 'commit');
    h.ack(b, 'commit', { branch: 'second' });
    settle(h);
    h.log();
    expect(h.sent(a, 'forget')).toMatchObject([{ txids: [h.txid] }]);
    expect(h.sent(b, 'forget'), 'of a transaction, not of a branch').toEqual([]);
    h.ack(b, 'commit');
    h.log();
    expect(h.sent(b, 'forget')).toMatchObject([{ txids: [h.txid] }]);
  });

  it('is not commanded again where its participant knows nothing of it', () => {
    const { h } = stuck();
    settle(h);
    h.log();
    h.ack(h.connect(b1), 'commit', { code: 'UNKNOWN_BRANCH' });
    expect(h.sent(h.connect(b1), 'commit')).toHaveLength(0);
    expect(h.sent(h.connect(b2), 'commit'), 'a sibling').toHaveLength(1);
  });

  it('goes with the retired resource', () => {
    const { h } = stuck();
    settle(h);
    h.log();
    h.world.retire(b1);
    h.log();
    expect(h.world.log.records.get(h.txid)?.finished, 'siblings may end it').toBe(false);
    h.world.retireResource(b1);
    h.log();
    expect(h.world.log.records.get(h.txid)?.finished).toBe(true);
  });

  it('is refused where nothing is decided, and where there is no such branch', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    h.transact(['a']);
    expect(h.reply(settle(h, { branch: 'a' }))).toMatchObject({ code: 'WRONG_STATE' });
    h.vote(a, 'commit');
    expect(h.status().state).toBe('READY');
    expect(h.reply(settle(h, { branch: 'a' }))).toMatchObject({ code: 'WRONG_STATE' });
    h.log();
    expect(h.reply(settle(h, { branch: 'z' }))).toMatchObject({ code: 'UNKNOWN_BRANCH' });
    h.ack(a, 'commit');
    h.log();
    expect(h.reply(settle(h, { branch: 'a' }))).toMatchObject({ byHand: false });
    expect(h.world.work).toEqual([]);
  });

  it('writes nothing of a rollback', () => {
    const h = new TermHarness();
    const [a, b] = [h.connect(a1), h.connect(b1)];
    h.transact(['a', 'b']);
    h.vote(a, 'commit');
    h.vote(b, 'abort');
    expect(h.status().state).toBe('ABORTING');
    expect(h.reply(settle(h, { branch: 'a' }))).toMatchObject({ byHand: true, state: 'ABORTED' });
    expect(h.world.work).toEqual([]);
    h.ask({ type: 'query', txid: h.txid, inDoubt: true }, { as: a });
    expect(h.sent(a, 'decision')).toMatchObject([{ decision: 'abort' }]);
  });

  it('is NOT_LEADER to the operator where the leadership ends first', () => {
    const { h } = stuck();
    const id = settle(h);
    h.world.step({ type: 'lost' });
    expect(h.reply(id)).toMatchObject({ type: 'error', code: 'NOT_LEADER' });
  });
});

describe('retry', () => {
  it('sends now what waits for its next try, and what waits for its turn', () => {
    const h = new TermHarness({ commandWindow: 1, retryDelayMs: 30_000, maxRetryDelayMs: 30_000 });
    const a = h.connect(a1);
    const txids = ['', ''].map(() => {
      h.transact(['a']);
      h.vote(a, 'commit');
      h.log();
      return h.txid;
    });
    expect(h.sent(a, 'commit')).toHaveLength(1);
    const id = h.ask({ type: 'retry', txid: txids[1] as never });
    expect(h.reply(id)).toMatchObject({
      branches: [{ branch: 'a', command: 'commit', sent: true }],
    });
    expect(h.sent(a, 'commit').map(({ txid }) => txid)).toEqual(txids);
    h.ack(a, 'commit', { txid: txids[0] as never, code: 'INTERNAL' });
    h.ask({ type: 'retry', txid: txids[0] as never, branch: 'a' });
    expect(h.sent(a, 'commit')).toHaveLength(3);
    for (const txid of txids) h.ack(a, 'commit', { txid: txid as never });
    expect(h.world.term.size).toBe(0);
  });

  it('says who is not connected, and what is not decided', () => {
    const { h } = stuck();
    const id = h.ask({ type: 'retry', txid: h.txid });
    expect(h.reply(id)).toMatchObject({ branches: [{ branch: 'b', sent: false }] });
    h.begin();
    expect(h.reply(h.ask({ type: 'retry', txid: h.txid }))).toMatchObject({ code: 'WRONG_STATE' });
  });
});
