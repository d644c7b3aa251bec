import { describe, expect, it } from 'vitest';
import { InvariantViolation } from '../../../../src/core/invariants.ts';
import { makeEpoch } from '../../../../src/core/txid.ts';
import { a1, c1, TermHarness } from '../../../support/core/term-harness.ts';

const requestId = 'r';

/** A request that was run and aborted, and told so. */
function aborted(h: TermHarness, a: number, attempt = 1): number {
  const id = h.transact(['a'], { requestId, attempt });
  h.log();
  h.vote(a, 'abort');
  h.log();
  expect(h.reply(id)).toMatchObject({ outcome: 'aborted' });
  return id;
}

describe('requests with an id', () => {
  it('join the one in flight, and get its outcome and its txid', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const first = h.transact(['a'], { requestId });
    const second = h.transact(['a'], { requestId });
    expect(h.reply(second)).toMatchObject({ type: 'begun', txid: h.txid });
    expect(h.sent(a, 'prepare')).toHaveLength(1);
    h.vote(a, 'commit');
    h.log();
    for (const id of [first, second]) {
      expect(h.reply(id)).toMatchObject({ outcome: 'committed', txid: h.txid });
    }
    h.ack(a, 'commit');
    h.log();
    expect(h.reply(h.transact(['a'], { requestId }))).toMatchObject({ outcome: 'committed' });
    expect(h.sent(a, 'prepare')).toHaveLength(1);
  });

  it('say "aborted" only after the log was read', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId });
    h.vote(a, 'abort');
    expect(h.reply(id)).toMatchObject({ type: 'begun' });
    const joined = h.transact(['a'], { requestId });
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'aborted', reason: { code: 'VOTED_ABORT' } });
    expect(h.reply(joined)).toMatchObject({ outcome: 'aborted' });
  });

  it.each([{ fail: true }, { certain: false }])('are unknown where the reading was %j', (how) => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId });
    h.vote(a, 'abort');
    h.world.answer(0, how);
    expect(h.reply(id)).toMatchObject({ type: 'error', code: 'OUTCOME_UNKNOWN', txid: h.txid });
    // Nothing was said of the attempt: it may be run again.
    const again = h.transact(['a'], { requestId });
    h.vote(a, 'commit');
    h.log();
    expect(h.reply(again)).toMatchObject({ outcome: 'committed' });
  });

  it('are answered by the commit of an earlier leadership that their write meets', () => {
    const h = new TermHarness();
    const earlier = h.world.inherit(32, { requestId, finished: true });
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId });
    h.vote(a, 'commit');
    const resolved = h.ask({ type: 'resolve', txid: h.txid }, { as: a });
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'committed', txid: earlier, results: null });
    expect(h.reply(resolved)).toMatchObject({ type: 'decision', txid: h.txid, decision: 'abort' });
    expect(h.sent(a, 'rollback')).toHaveLength(1);
  });

  it('are answered by it also where this attempt aborted by itself', () => {
    const h = new TermHarness();
    const earlier = h.world.inherit(32, { requestId, finished: true });
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId });
    h.vote(a, 'abort');
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'committed', txid: earlier });
  });

  it('are looked up before a later attempt troubles anybody', () => {
    const h = new TermHarness();
    const earlier = h.world.inherit(32, { requestId, finished: true });
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId, attempt: 2 });
    const { txid } = h;
    const enlisted = h.ask({ type: 'enlist', txid, participant: 'c' });
    expect(h.reply(enlisted), 'its content is fixed').toMatchObject({ code: 'WRONG_STATE' });
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'committed', txid: earlier });
    expect(h.sent(a, 'prepare')).toHaveLength(0);
  });

  it('are in conflict with other content, in memory and in the log, now and later', () => {
    const h = new TermHarness();
    h.world.inherit(32, { requestId, finished: true });
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId, hash: 'other' });
    h.vote(a, 'commit');
    expect(h.reply(h.transact(['a'], { requestId }))).toMatchObject({ code: 'REQUEST_CONFLICT' });
    h.log();
    expect(h.reply(id)).toMatchObject({ code: 'REQUEST_CONFLICT' });
    h.world.log.requests.clear();
    const late = h.transact(['a'], { requestId, hash: 'other' });
    expect(h.reply(late), 'the key is collected').toMatchObject({ code: 'REQUEST_CONFLICT' });
    expect(h.reply(h.transact(['a'], { requestId }))).toMatchObject({ outcome: 'committed' });
  });

  it('run again as a higher attempt; a copy of the aborted one gets its own answer, forever', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const first = aborted(h, a);
    const answer = h.reply(first);
    const stale = (): unknown => h.reply(h.transact(['a'], { requestId, attempt: 1 }));
    expect(stale()).toMatchObject({ ...answer, id: expect.any(Number) });
    const second = h.transact(['a'], { requestId, attempt: 2 });
    h.log();
    expect(stale(), 'while the second runs').toMatchObject({ ...answer, id: expect.any(Number) });
    h.vote(a, 'commit');
    h.log();
    expect(h.reply(second)).toMatchObject({ outcome: 'committed' });
    expect(stale(), 'when it committed').toMatchObject({ ...answer, id: expect.any(Number) });
  });

  it('say of an answer from memory that it is one, and of which attempt', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const first = aborted(h, a, 3);
    expect(h.reply(first)).not.toHaveProperty('repeats');
    const { txid } = h;
    expect(h.reply(h.transact(['a'], { requestId, attempt: 1 }))).toMatchObject({
      outcome: 'aborted',
      txid,
      repeats: 3,
      reason: { code: 'VOTED_ABORT' },
    });
    // Whoever asks with the next one has it run.
    const next = h.transact(['a'], { requestId, attempt: 4 });
    h.log();
    h.vote(a, 'commit');
    h.log();
    expect(h.reply(next)).toMatchObject({ outcome: 'committed' });
    expect(h.reply(next)).not.toHaveProperty('repeats');
  });

  it('do not forget an aborted attempt because the next one is unknown', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    aborted(h, a);
    const second = h.transact(['a'], { requestId, attempt: 2 });
    h.log();
    h.vote(a, 'abort');
    h.world.answer(0, { fail: true });
    expect(h.reply(second)).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(h.reply(h.transact(['a'], { requestId }))).toMatchObject({ outcome: 'aborted' });
    h.transact(['a'], { requestId, attempt: 2 });
    h.log();
    expect(h.sent(a, 'prepare')).toHaveLength(3);
  });

  it('are refused past their window, and cut to what is left of it', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const late = h.transact(['a'], { requestId, requestAgeMs: 120_001 });
    h.log();
    expect(h.reply(late)).toMatchObject({ code: 'EXPIRED' });
    const id = h.transact(['a'], { requestId, requestAgeMs: 119_000 });
    expect(h.reply(id)).toMatchObject({ type: 'begun', timeoutMs: 1_000, share: 'share-1' });
    h.advance(1_004);
    h.log();
    expect(h.reply(id)).toMatchObject({ code: 'EXPIRED' });
    expect(h.sent(a, 'rollback')).toHaveLength(1);
  });

  it('are told past their window what committed, where the log knows it still, and are not run', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    h.transact(['a'], { requestId });
    h.vote(a, 'commit');
    h.log();
    const { txid } = h;
    const late = h.transact(['a'], { requestId, requestAgeMs: 120_001 });
    const other = h.transact(['a'], { requestId, requestAgeMs: 120_001, hash: 'other' });
    h.log();
    expect(h.reply(late)).toMatchObject({ code: 'ALREADY_COMMITTED', txid });
    expect(h.reply(other)).toMatchObject({ code: 'EXPIRED' });
    const unread = h.transact(['a'], { requestId, requestAgeMs: 120_001 });
    h.world.answer(0, { fail: true });
    expect(h.reply(unread)).toMatchObject({ code: 'EXPIRED' });
    expect(h.sent(a, 'prepare')).toHaveLength(1);
  });

  it('are not decided past their window by a vote that is handled before the time-out', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId, requestAgeMs: 119_000 });
    // A process that stood still finds the vote in its socket before it comes to its timers.
    h.world.nowMs += 1_001;
    h.vote(a, 'commit');
    h.log();
    expect(h.reply(id)).toMatchObject({ code: 'EXPIRED' });
    expect(h.sent(a, 'rollback')).toHaveLength(1);
    expect(h.sent(a, 'commit')).toHaveLength(0);
  });

  it('are for one epoch where they name it', () => {
    const h = new TermHarness();
    const epoch = makeEpoch({ generation: 0, revision: 49n });
    const id = h.transact(['a'], { requestId, epoch });
    expect(h.reply(id)).toMatchObject({ code: 'NOT_LEADER', leader: { node: 'n1' } });
  });

  it('are limited in number, and forgotten after the window and a margin', () => {
    const h = new TermHarness({ maxRequests: 1 });
    const a = h.connect(a1);
    aborted(h, a);
    const other = { requestId: 'other' };
    expect(h.reply(h.transact(['a'], other))).toMatchObject({ code: 'BUSY' });
    h.advance(120_000 + 59_000);
    h.world.tick();
    expect(h.reply(h.transact(['a'], other))).toMatchObject({ code: 'BUSY' });
    h.advance(2_000);
    h.world.tick();
    expect(h.reply(h.transact(['a'], other))).toMatchObject({ type: 'begun' });
    expect(h.world.term.keepsRequest('other')).toBe(true);
    expect(h.world.term.keepsRequest(requestId)).toBe(false);
  });

  it('without an id are answered "aborted" at once, and with one but no hash never run', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a']);
    h.vote(a, 'abort');
    expect(h.reply(id)).toMatchObject({ outcome: 'aborted' });
    expect(() => h.ask({ type: 'transact', requestId, branches: [{ participant: 'a' }] })).toThrow(
      InvariantViolation,
    );
  });

  it('may wait for one transaction only in bounded number', () => {
    const h = new TermHarness();
    h.connect(c1);
    const ids = Array.from({ length: 1_001 }, () => h.transact(['c'], { requestId }));
    expect(h.reply(ids[999] ?? 0)).toMatchObject({ type: 'begun' });
    expect(h.reply(ids[1_000] ?? 0)).toMatchObject({ code: 'BUSY' });
  });
});
