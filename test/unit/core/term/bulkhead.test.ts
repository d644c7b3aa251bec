/** One participant that is slow, silent or gone, and the others beside it. */
import { describe, expect, it } from 'vitest';
import type { CoordinatorOptions } from '../../../../src/core/coordinator-options.ts';
import type { Txid } from '../../../../src/core/txid.ts';
import { a1, b1, c1, TermHarness } from '../../../support/core/term-harness.ts';

const quick: Partial<CoordinatorOptions> = {
  prepareTimeoutMs: 1_000,
  prepareTimeoutMsMin: 0,
  transactionTimeoutMs: 60_000,
  breakerAfter: 2,
  breakerPauseMs: 500,
  maxBreakerPauseMs: 500,
};

describe('the window of a participant', () => {
  it('holds back what is too much, in order, and sends it as votes come', () => {
    const h = new TermHarness({ participantWindow: 2 });
    const a = h.connect(a1);
    const txids = ['1', '2', '3', '4'].map(() => {
      h.transact(['a']);
      return h.txid;
    });
    expect(h.sent(a, 'prepare').map(({ txid }) => txid)).toEqual(txids.slice(0, 2));
    expect(h.branch('a', txids[2])).toMatchObject({ state: 'enlisted' });
    h.vote(a, 'commit', { txid: txids[1] as never });
    expect(h.sent(a, 'prepare').map(({ txid }) => txid)).toEqual(txids.slice(0, 3));
    h.vote(a, 'abort', { txid: txids[0] as never });
    expect(h.sent(a, 'prepare').map(({ txid }) => txid)).toEqual(txids);
  });

  it('holds nothing of the others while it waits for one: they go on', () => {
    const h = new TermHarness({ participantWindow: 1 });
    const a = h.connect(a1);
    const b = h.connect(b1);
    h.transact(['b']);
    h.transact(['a', 'b']);
    const both = h.txid;
    const alone = h.transact(['a']);
    expect(h.sent(a, 'prepare')).toHaveLength(1);
    h.vote(a, 'commit');
    h.log();
    expect(h.reply(alone)).toMatchObject({ outcome: 'committed' });
    // Both of its participants have room now.
    h.vote(b, 'commit', { txid: h.sent(b, 'prepare')[0]?.txid as never });
    expect(h.sent(a, 'prepare').at(-1)?.txid).toBe(both);
    expect(h.sent(b, 'prepare').at(-1)?.txid).toBe(both);
  });

  it('goes to the queue of the next that is full, and two that want the same two do not wait for each other', () => {
    const h = new TermHarness({ participantWindow: 1 });
    const a = h.connect(a1);
    const b = h.connect(b1);
    h.transact(['a']);
    const onA = h.txid;
    h.transact(['b']);
    const onB = h.txid;
    const ids = [h.transact(['a', 'b']), h.transact(['b', 'a'])];
    h.vote(a, 'commit', { txid: onA });
    h.vote(b, 'commit', { txid: onB });
    for (let round = 0; round < 2; round += 1) {
      const { txid } = h.sent(a, 'prepare').at(-1) ?? {};
      expect(h.sent(b, 'prepare').at(-1)?.txid).toBe(txid);
      h.vote(a, 'commit', { txid: txid as never });
      h.vote(b, 'commit', { txid: txid as never });
    }
    h.log();
    for (const id of ids) expect(h.reply(id)).toMatchObject({ outcome: 'committed' });
  });

  it('gives back the place of one that ended in the queue or under way', () => {
    const h = new TermHarness({ participantWindow: 1 });
    const a = h.connect(a1);
    h.transact(['a'], { timeoutMs: 100 });
    h.transact(['a'], { timeoutMs: 50 });
    const third = h.transact(['a'], { timeoutMs: 1_000 });
    h.advance(110);
    expect(h.sent(a, 'prepare')).toHaveLength(2);
    h.vote(a, 'commit');
    h.log();
    expect(h.reply(third)).toMatchObject({ outcome: 'committed' });
  });

  it('does not hold back a branch that enlisted itself: what is under way may wait for its locks', () => {
    const h = new TermHarness({ participantWindow: 1 });
    const a = h.connect(a1);
    const txid = h.begin();
    h.ask({ type: 'enlist', txid, participant: 'a' }, { as: a });
    h.transact(['a']);
    const waitsForLock = h.txid;
    h.transact(['a']);
    const id = h.ask({ type: 'commit', txid });
    expect(h.sent(a, 'prepare').map((each) => each.txid)).toEqual([waitsForLock, txid]);
    h.vote(a, 'commit', { txid });
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'committed' });
    expect(h.sent(a, 'prepare')).toHaveLength(2);
    h.vote(a, 'commit', { txid: waitsForLock });
    expect(h.sent(a, 'prepare')).toHaveLength(3);
  });

  it('takes a transaction with more branches of one participant than the window has places', () => {
    const h = new TermHarness({ participantWindow: 2 });
    const a = h.connect(a1);
    const branches = ['x', 'y', 'z'].map((branch) => ({ participant: 'a', branch }));
    const id = h.ask({ type: 'transact', announce: true, branches });
    for (const { branch } of branches) h.vote(a, 'commit', { branch });
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'committed' });
  });
});

describe('a participant that does not answer', () => {
  it('is refused at once after time-outs in a row, noted once, and tried again by one', () => {
    const h = new TermHarness(quick);
    const a = h.connect(a1);
    for (let count = 0; count < 4; count += 1) h.transact(['a']);
    h.advance(1_010);
    expect(h.noted('breaker-opened')).toBe(1);
    const refused = h.transact(['a', 'c']);
    expect(h.reply(refused)).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'PARTICIPANT_UNAVAILABLE', participant: 'a', retryable: true },
    });
    const { reason } = h.reply(refused) as unknown as { reason: { retryAfterMs: number } };
    expect(reason.retryAfterMs).toBeGreaterThan(0);
    expect(reason.retryAfterMs).toBeLessThanOrEqual(500);
    h.advance(reason.retryAfterMs);
    const probe = h.transact(['a']);
    expect(h.sent(a, 'prepare')).toHaveLength(5);
    const beside = h.transact(['a']);
    expect(h.reply(beside)).toMatchObject({ reason: { code: 'PARTICIPANT_UNAVAILABLE' } });
    expect(h.noted('breaker-closed')).toBe(0);
    h.vote(a, 'commit', { txid: h.sent(a, 'prepare').at(-1)?.txid as never });
    h.log();
    expect(h.reply(probe)).toMatchObject({ outcome: 'committed' });
    expect(h.noted('breaker-closed')).toBe(1);
    h.transact(['a']);
    expect(h.sent(a, 'prepare')).toHaveLength(6);
  });

  it('is refused to one that would have to wait for a lock before it could be refused', () => {
    const h = new TermHarness(quick);
    h.connect(a1);
    h.connect(c1);
    const locks = [{ keys: ['k'] }];
    h.transact(['c'], { locks });
    h.world.working(1, h.txid, 'c');
    for (let count = 0; count < 2; count += 1) h.transact(['a']);
    h.advance(900);
    h.world.working(1, h.world.txids.at(-3) as Txid, 'c');
    h.advance(110);
    const refused = h.transact(['a'], { locks });
    expect(h.reply(refused)).toMatchObject({ reason: { code: 'PARTICIPANT_UNAVAILABLE' } });
    const waits = h.transact(['c'], { locks });
    expect(h.reply(waits)).toMatchObject({ type: 'begun' });
    expect(h.status()).toMatchObject({ state: 'PENDING' });
  });

  it('lets go of all that wait for it when it is found out', () => {
    const h = new TermHarness({ ...quick, participantWindow: 2 });
    h.connect(a1);
    const ids = [1, 2, 3, 4, 5].map(() => h.transact(['a']));
    h.advance(1_010);
    const codes = ids.map(
      (id) => (h.reply(id) as never as { reason: { code: string } }).reason.code,
    );
    expect(codes).toEqual([
      'PREPARE_TIMEOUT',
      'PREPARE_TIMEOUT',
      'PARTICIPANT_UNAVAILABLE',
      'PARTICIPANT_UNAVAILABLE',
      'PARTICIPANT_UNAVAILABLE',
    ]);
  });

  it('does not stop the others', () => {
    const h = new TermHarness({ ...quick, participantWindow: 2 });
    h.connect(a1);
    const c = h.connect(c1);
    for (let count = 0; count < 5; count += 1) h.transact(['a', 'c']);
    for (const { txid } of h.sent(c, 'prepare')) h.vote(c, 'commit', { txid });
    for (let count = 0; count < 10; count += 1) {
      const id = h.transact(['c']);
      h.vote(c, 'commit', { txid: h.sent(c, 'prepare').at(-1)?.txid as never });
      h.log();
      expect(h.reply(id)).toMatchObject({ outcome: 'committed' });
    }
  });

  it('is found out by transactions that are shorter than the prepare time-out, but not by a mere hurry', () => {
    const h = new TermHarness({ ...quick, prepareTimeoutMsMin: 500 });
    const a = h.connect(a1);
    for (let count = 0; count < 8; count += 1) {
      h.transact(['a']);
      h.vote(a, 'readonly');
    }
    for (let count = 0; count < 4; count += 1) h.transact(['a'], { timeoutMs: 100 });
    h.advance(110);
    expect(h.noted('breaker-opened')).toBe(0);
    for (let count = 0; count < 4; count += 1) h.transact(['a'], { timeoutMs: 505 });
    h.advance(510);
    expect(h.noted('breaker-opened')).toBe(1);
  });

  it('may be tried at once after a vote that came too late, which is measured too', () => {
    const h = new TermHarness({ ...quick, breakerPauseMs: 30_000, maxBreakerPauseMs: 30_000 });
    const a = h.connect(a1);
    h.transact(['a']);
    const first = h.txid;
    h.transact(['a']);
    h.advance(1_010);
    const early = h.transact(['a']);
    expect(h.reply(early)).toMatchObject({ outcome: 'aborted' });
    h.vote(a, 'commit', { txid: first });
    h.transact(['a']);
    expect(h.sent(a, 'prepare')).toHaveLength(3);
    const beside = h.transact(['a']);
    expect(h.reply(beside)).toMatchObject({ reason: { code: 'PARTICIPANT_UNAVAILABLE' } });
  });

  it('is waited for less long once it has been seen to be quick, and as long as it says that it is at work', () => {
    const h = new TermHarness({ prepareTimeoutMs: 5_000, prepareTimeoutMsMin: 300 });
    const a = h.connect(a1);
    for (let count = 0; count < 8; count += 1) {
      h.transact(['a']);
      h.advance(20);
      h.vote(a, 'readonly');
    }
    const silent = h.transact(['a']);
    h.advance(310);
    expect(h.reply(silent)).toMatchObject({ reason: { code: 'PREPARE_TIMEOUT' } });
    expect([...h.world.term.figures.missedVotes]).toEqual([['a', 1]]);
    h.transact(['a']);
    h.vote(a, 'readonly');
    const slow = h.transact(['a']);
    h.advance(250);
    h.world.working(0, h.txid, 'a');
    h.advance(4_900);
    h.vote(a, 'commit');
    h.log();
    expect(h.reply(slow)).toMatchObject({ outcome: 'committed' });
  });
});

describe('a participant that is gone', () => {
  it('is waited for at first, then refused at once, until it connects', () => {
    const h = new TermHarness({ participantWaitMs: 1_000 });
    const lost = h.connect(a1);
    h.lose(lost);
    const patient = h.transact(['a']);
    h.advance(900);
    const late = h.transact(['a']);
    h.advance(110);
    expect(h.reply(patient)).toMatchObject({
      reason: { code: 'PARTICIPANT_UNAVAILABLE', retryable: true, retryAfterMs: 1_000 },
    });
    expect(h.reply(late)).toMatchObject({ type: 'begun' });
    const refused = h.transact(['a']);
    expect(h.reply(refused)).toMatchObject({ reason: { code: 'PARTICIPANT_UNAVAILABLE' } });
    h.transact(['a']);
    expect(h.noted('breaker-opened')).toBe(1);
    const a = h.connect(a1);
    expect(h.noted('breaker-closed')).toBe(1);
    // The one that still waited.
    expect(h.sent(a, 'prepare')).toHaveLength(1);
    h.transact(['a']);
    expect(h.sent(a, 'prepare')).toHaveLength(2);
  });

  it('keeps no more waiting than its window and queue', () => {
    const h = new TermHarness({ participantWindow: 2, participantQueue: 3 });
    h.connect(c1);
    for (let count = 0; count < 50; count += 1) h.transact(['a']);
    expect(h.world.term.size).toBe(5);
    const a = h.connect(a1);
    expect(h.sent(a, 'prepare')).toHaveLength(2);
  });
});

describe('the commands of phase 2', () => {
  it('go to a participant that is back in pieces, and commits never wait behind prepares', () => {
    const h = new TermHarness({ participantWindow: 1, commandWindow: 3 });
    const before = h.connect(a1);
    for (let count = 0; count < 10; count += 1) {
      h.transact(['a']);
      h.vote(before, 'commit');
    }
    h.lose(before);
    h.log();
    const a = h.connect(a1);
    h.transact(['a']);
    expect(h.sent(a, 'prepare')).toHaveLength(1);
    expect(h.sent(a, 'commit')).toHaveLength(3);
    for (let acknowledged = 0; acknowledged < 10; acknowledged += 1) {
      expect(h.sent(a, 'commit')).toHaveLength(Math.min(10, acknowledged + 3));
      h.ack(a, 'commit', { txid: h.sent(a, 'commit')[acknowledged]?.txid as never });
    }
    expect(h.world.load.maxCommands).toBe(3);
  });

  it('that cannot be carried out, or are not answered, keep no place from those that can', () => {
    const h = new TermHarness({ ...quick, commandWindow: 1, ackTimeoutMs: 500 });
    const a = h.connect(a1);
    const txids = [1, 2, 3].map(() => {
      h.transact(['a']);
      h.vote(a, 'commit');
      return h.txid;
    });
    h.log();
    const sent = (): unknown[] => h.sent(a, 'commit').map(({ txid }) => txid);
    expect(sent()).toEqual(txids.slice(0, 1));
    h.ack(a, 'commit', { txid: txids[0] as Txid, code: 'INTERNAL' });
    expect(sent()).toEqual(txids.slice(0, 2));
    h.advance(2_000);
    expect(sent()).toContain(txids[2]);
  });

  it('that free a lock do not wait behind rollbacks of prepares that wait for it', () => {
    const h = new TermHarness({ ...quick, commandWindow: 2 });
    const a = h.connect(a1);
    const c = h.connect(c1);
    const holders = [1, 2].map(() => {
      h.transact(['a', 'c']);
      h.vote(a, 'commit');
      return h.txid;
    });
    const [first, second] = holders as [Txid, Txid];
    for (let count = 0; count < 5; count += 1) h.transact(['a']);
    h.advance(900);
    for (const holder of holders) h.world.working(1, holder, 'c');
    h.advance(110);
    // None of these is acknowledged before the holders of the lock are told.
    expect(h.sent(a, 'rollback')).toHaveLength(2);
    h.vote(c, 'commit', { txid: first });
    h.log();
    expect(h.sent(a, 'commit').map(({ txid }) => txid)).toEqual([first]);
    h.ask({ type: 'rollback', txid: second });
    expect(h.sent(a, 'rollback').map(({ txid }) => txid)).toContain(second);
  });

  it('that were not sent when the connection broke go by the next, and count no attempt before', () => {
    const h = new TermHarness({ commandWindow: 1 });
    const first = h.connect(a1);
    const txids = [1, 2, 3].map(() => {
      h.transact(['a']);
      h.vote(first, 'commit');
      return h.txid;
    });
    h.log();
    expect(h.sent(first, 'commit')).toHaveLength(1);
    expect(h.branch('a', txids[2])).toMatchObject({ state: 'committing', attempts: 0 });
    h.lose(first);
    const second = h.connect(a1);
    for (let count = 0; count < 3; count += 1) {
      expect(h.sent(second, 'commit')).toHaveLength(count + 1);
      h.ack(second, 'commit', { txid: h.sent(second, 'commit')[count]?.txid as never });
    }
    h.log();
    expect(h.world.term.size).toBe(0);
    expect(h.world.term.wakeAtMs()).toBeNull();
  });
});
