import { describe, expect, it } from 'vitest';
import { a1, a2, b1, b2, c1, TermHarness } from '../../../support/core/term-harness.ts';

describe('phase 1', () => {
  it('sends every prepare at once and answers when the decision is durable, before any command', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const c = h.connect(c1);
    const id = h.transact(['a', 'c']);
    expect(h.sent(a, 'prepare')).toHaveLength(1);
    expect(h.sent(c, 'prepare')).toHaveLength(1);
    h.vote(a, 'commit');
    h.vote(c, 'commit');
    expect(h.status().state).toBe('READY');
    expect(h.reply(id)).toMatchObject({ type: 'begun' });
    h.log();
    expect(h.reply(id)).toMatchObject({ type: 'outcome', outcome: 'committed' });
    const order = h.world.sent.map(({ message }) => message.type);
    expect(order.indexOf('outcome')).toBeLessThan(order.indexOf('commit'));
    expect(h.sent(a, 'commit')).toHaveLength(1);
  });

  it('rolls back at the first abort vote, without waiting for the others', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const c = h.connect(c1);
    const id = h.transact(['a', 'c']);
    h.vote(c, 'abort');
    expect(h.reply(id)).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'VOTED_ABORT', participant: 'c' },
    });
    expect(h.sent(a, 'rollback')).toHaveLength(1);
    expect(h.sent(c, 'rollback'), 'it rolled back by itself').toHaveLength(0);
    h.ack(a, 'abort');
    expect(h.world.term.size).toBe(0);
  });

  it('counts votes only from the connection that carries the latest prepare', () => {
    const h = new TermHarness();
    const old = h.connect(a1);
    h.transact(['a']);
    const fresh = h.connect(a1);
    expect(h.sent(fresh, 'prepare'), 'it follows its instance').toHaveLength(1);
    h.vote(old, 'commit');
    expect(h.status().state).toBe('PREPARING');
    h.vote(fresh, 'commit');
    expect(h.status().state).toBe('READY');
  });

  it('prepares again by a new connection, and only the instance that had it first', () => {
    const h = new TermHarness();
    const first = h.connect(a1);
    h.transact(['a']);
    h.lose(first);
    const other = h.connect(a2);
    expect(h.sent(other, 'prepare')).toHaveLength(0);
    expect(h.branch('a')?.state).toBe('unreachable');
    const again = h.connect(a1);
    expect(h.sent(again, 'prepare')).toHaveLength(1);
  });

  it('hands what is decided to another instance of the same shared resource, and no prepare', () => {
    const h = new TermHarness();
    const first = h.connect(b1);
    h.transact(['b']);
    const second = h.connect(b2);
    h.lose(first);
    expect(h.sent(second, 'prepare')).toHaveLength(0);
    h.vote(h.connect(b1), 'commit');
    h.log();
    h.ack(second, 'commit');
    expect(h.status().state).toBe('COMMITTED');
  });

  it('never sends a new branch by an old connection of an instance', () => {
    const h = new TermHarness();
    const old = h.connect(a1);
    const fresh = h.connect(a1);
    for (let turn = 0; turn < 4; turn += 1) h.transact(['a']);
    expect(h.sent(old, 'prepare')).toHaveLength(0);
    expect(h.sent(fresh, 'prepare')).toHaveLength(4);
  });

  it('takes the first vote and refuses one that contradicts it', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    h.connect(c1);
    h.transact(['a', 'c']);
    h.vote(a, 'commit');
    h.vote(a, 'commit');
    expect(h.noted('vote-refused')).toBe(0);
    h.vote(a, 'abort');
    expect(h.noted('vote-refused')).toBe(1);
    expect(h.status().state).toBe('PREPARING');
  });

  it('answers a late vote with the decision, from memory or from the log', () => {
    const h = new TermHarness({ maxRecent: 0 });
    const a = h.connect(a1);
    const c = h.connect(c1);
    h.transact(['a', 'c']);
    h.vote(c, 'abort');
    h.vote(a, 'commit');
    expect(h.sent(a, 'decision')).toMatchObject([{ decision: 'abort' }]);
    h.ack(a, 'abort');
    h.vote(a, 'commit');
    h.log();
    expect(h.sent(a, 'decision')).toHaveLength(2);
    h.vote(c, 'readonly');
    expect(h.sent(c, 'decision')).toHaveLength(0);
  });

  it('leaves read-only branches out of phase 2, and writes nothing where all are', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const c = h.connect(c1);
    const id = h.transact(['a', 'c']);
    h.vote(a, 'readonly');
    h.vote(c, 'readonly');
    expect(h.reply(id)).toMatchObject({ outcome: 'committed', readonly: true });
    expect(h.world.work).toEqual([]);
    expect(h.sent(a, 'forget')).toHaveLength(1);
    h.transact(['a', 'c']);
    h.vote(a, 'readonly');
    h.vote(c, 'commit');
    h.log();
    expect(h.sent(a, 'commit')).toHaveLength(0);
    expect(h.sent(c, 'commit')).toHaveLength(1);
  });

  it('records a read-only one with a request id, straight under finished/', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a'], { requestId: 'r' });
    h.vote(a, 'readonly');
    expect(h.world.work).toMatchObject([{ kind: 'decide', write: { finished: true } }]);
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'committed', readonly: true });
    expect(h.world.log.records.get(h.txid)?.finished).toBe(true);
    expect(h.world.term.size).toBe(0);
  });
});

describe('the ends of waiting', () => {
  it('aborts when a branch does not vote in time, and `working` puts that off up to the deadline', () => {
    const h = new TermHarness({ prepareTimeoutMs: 1_000, transactionTimeoutMs: 2_500 });
    const a = h.connect(a1);
    const id = h.transact(['a']);
    h.advance(900);
    h.world.working(0, h.txid, 'a');
    h.advance(900);
    expect(h.status().state).toBe('PREPARING');
    h.world.working(0, h.txid, 'a');
    h.advance(690);
    expect(h.status().state).toBe('PREPARING');
    h.advance(20);
    expect(h.reply(id)).toMatchObject({ reason: { code: 'TRANSACTION_TIMEOUT' } });
    const second = h.transact(['a']);
    h.advance(1_010);
    expect(h.reply(second)).toMatchObject({
      reason: { code: 'PREPARE_TIMEOUT', participant: 'a' },
    });
    expect(h.sent(a, 'rollback')).toHaveLength(2);
  });

  it('does not start the prepare time-out anew with a new connection', () => {
    const h = new TermHarness({ prepareTimeoutMs: 1_000 });
    const first = h.connect(a1);
    const id = h.transact(['a']);
    h.advance(800);
    h.lose(first);
    h.connect(a1);
    h.advance(210);
    expect(h.reply(id)).toMatchObject({ reason: { code: 'PREPARE_TIMEOUT' } });
  });

  it('waits for a participant that is not there, and not anew when another instance comes', () => {
    const h = new TermHarness({ participantWaitMs: 1_000 });
    const first = h.connect(a1);
    const txid = h.begin();
    h.ask({ type: 'enlist', txid, participant: 'a' }, { as: first });
    h.lose(first);
    const id = h.ask({ type: 'commit', txid });
    h.advance(900);
    h.connect(a2);
    h.advance(110);
    expect(h.reply(id)).toMatchObject({ reason: { code: 'PARTICIPANT_UNAVAILABLE' } });
  });

  it('names who is not connected where the time-out of the transaction ends that wait', () => {
    const h = new TermHarness({ participantWaitMs: 5_000 });
    const a = h.connect(a1);
    const id = h.transact(['a', 'b', 'c'], { timeoutMs: 1_000 });
    h.vote(a, 'commit');
    h.advance(1_010);
    expect(h.reply(id)).toMatchObject({
      outcome: 'aborted',
      reason: {
        code: 'PARTICIPANT_UNAVAILABLE',
        participant: 'b',
        message: expect.stringMatching(/^Not connected: b, c\b/),
        retryable: true,
      },
    });
  });

  it('says TRANSACTION_TIMEOUT where everybody is connected, whoever was not at first', () => {
    const h = new TermHarness({ participantWaitMs: 5_000 });
    const a = h.connect(a1);
    const id = h.transact(['a', 'b'], { timeoutMs: 1_000 });
    h.vote(a, 'commit');
    h.connect(b1);
    h.advance(1_010);
    expect(h.reply(id)).toMatchObject({ reason: { code: 'TRANSACTION_TIMEOUT' } });
  });

  it('aborts at once where participantWaitMs is 0', () => {
    const h = new TermHarness({ participantWaitMs: 0 });
    const a = h.connect(a1);
    const id = h.transact(['a', 'c', 'b']);
    expect(h.reply(id)).toMatchObject({ reason: { code: 'PARTICIPANT_UNAVAILABLE' } });
    // Before anybody was asked to prepare.
    expect(h.sent(a, 'prepare')).toHaveLength(0);
    expect(h.sent(a, 'rollback')).toHaveLength(0);
  });

  it('knows no prepare time-out of its own where prepareTimeoutMs is 0', () => {
    const h = new TermHarness({ prepareTimeoutMs: 0, transactionTimeoutMs: 20_000 });
    h.connect(a1);
    const id = h.transact(['a']);
    h.advance(19_990);
    expect(h.status().state).toBe('PREPARING');
    h.advance(20);
    expect(h.reply(id)).toMatchObject({ reason: { code: 'TRANSACTION_TIMEOUT' } });
  });

  it('ends an abandoned PENDING one, and tells those that enlisted themselves', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const txid = h.begin(500);
    h.ask({ type: 'enlist', txid, participant: 'a' }, { as: a });
    h.ask({ type: 'enlist', txid, participant: 'c' });
    h.advance(510);
    expect(h.sent(a, 'rollback')).toHaveLength(1);
    h.ack(a, 'abort');
    expect(h.status(txid)).toMatchObject({
      state: 'ABORTED',
      reason: { code: 'TRANSACTION_TIMEOUT' },
    });
    expect(h.world.term.wakeAtMs()).toBeNull();
  });

  it('leaves READY by the log alone: no time-out, rollback, resolve, commit or lost participant ends it', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a'], { timeoutMs: 100 });
    const { txid } = h;
    h.vote(a, 'commit');
    h.advance(1_000_000);
    const rolledBack = h.ask({ type: 'rollback', txid });
    const resolved = h.ask({ type: 'resolve', txid }, { as: a });
    const committed = h.ask({ type: 'commit', txid });
    h.lose(a);
    expect(h.status(txid).state).toBe('READY');
    for (const asked of [rolledBack, resolved, committed]) expect(h.reply(asked)).toBeUndefined();
    h.log();
    for (const asked of [id, rolledBack, committed]) {
      expect(h.reply(asked)).toMatchObject({ outcome: 'committed', txid });
    }
    expect(h.reply(resolved)).toMatchObject({ decision: 'commit', source: 'recorded' });
  });

  it('aborts where the log says that the abort was forced', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const id = h.transact(['a']);
    h.vote(a, 'commit');
    h.world.log.force(h.txid);
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'aborted', reason: { code: 'FORCED' } });
    expect(h.sent(a, 'rollback')).toHaveLength(1);
  });
});
