/** Several processes of one participant: whose prepares, commands and forgets are whose (8.7). */
import { describe, expect, it } from 'vitest';
import type { AbortReason } from '../../../../src/core/catalogue.ts';
import { a1, b1, b2, TermHarness } from '../../../support/core/term-harness.ts';
import type { Instance } from '../../../support/logs/log-model.ts';

/** Two processes over one journal, and so of one instance. */
const shared = { participant: 'b', instance: 'b1', sharedResource: 'db' } as const;
const p1: Instance & { readonly process: string } = { ...shared, process: 'p1' };
const p2: Instance & { readonly process: string } = { ...shared, process: 'p2' };

function prepares(h: TermHarness, ...connections: readonly number[]): number[] {
  return connections.map((connection) => h.sent(connection, 'prepare').length);
}

function leave(h: TermHarness, connection: number): void {
  h.world.step({ type: 'participant-leaves', connection });
}

describe('several processes of one participant', () => {
  it.each([
    ['a journal each', b1, b2],
    ['one journal', p1, p2],
  ] as const)('share the work, with %s', (_how, one, two) => {
    const h = new TermHarness();
    const connections = [h.connect(one), h.connect(two)];
    for (let count = 0; count < 6; count += 1) h.transact(['b']);
    expect(prepares(h, ...connections)).toEqual([3, 3]);
  });

  it.each([
    ['a journal each', b1, b2],
    ['one journal', p1, p2],
  ] as const)(
    'leave what is being prepared where it is when one joins, with %s',
    (_how, one, two) => {
      const h = new TermHarness();
      const first = h.connect(one);
      const id = h.transact(['b']);
      const second = h.connect(two);
      expect(prepares(h, first, second)).toEqual([1, 0]);
      h.vote(first, 'commit');
      h.log();
      expect(h.reply(id)).toMatchObject({ outcome: 'committed' });
      expect(h.sent(first, 'commit')).toHaveLength(1);
      expect(h.sent(second, 'commit')).toHaveLength(0);
    },
  );

  it('are asked to prepare what they enlisted themselves, whoever came last', () => {
    const h = new TermHarness();
    const [first, second] = [h.connect(p1), h.connect(p2)];
    for (const [by, other] of [
      [first, second],
      [second, first],
    ] as const) {
      const before = prepares(h, by, other);
      const txid = h.begin();
      h.ask({ type: 'enlist', txid, participant: 'b' }, { as: by });
      // The other one works on nothing of that name.
      const again = h.ask({ type: 'enlist', txid, participant: 'b' }, { as: other });
      expect(h.reply(again)).toMatchObject({ type: 'error', code: 'WRONG_STATE' });
      h.ask({ type: 'commit', txid });
      expect(prepares(h, by, other)).toEqual([(before[0] ?? 0) + 1, before[1]]);
    }
  });

  it('with a journal each: a prepare of one that is gone waits for it, and goes to no other', () => {
    const h = new TermHarness({ participantWaitMs: 1_000 });
    const [first, second] = [h.connect(b1), h.connect(b2)];
    h.transact(['b']);
    const [sent, idle] = prepares(h, first)[0] === 1 ? [first, second] : [second, first];
    h.lose(sent);
    expect(prepares(h, idle)).toEqual([0]);
    const back = h.connect(sent === first ? b1 : b2);
    expect(prepares(h, back, idle)).toEqual([1, 0]);
  });

  it('with a journal each: the abort of one that is gone is told to a sibling', () => {
    const h = new TermHarness({ participantWaitMs: 1_000 });
    const first = h.connect(b1);
    const id = h.transact(['b']);
    const second = h.connect(b2);
    h.lose(first);
    h.advance(1_100);
    expect(h.reply(id)).toMatchObject({
      outcome: 'aborted',
      reason: {
        code: 'PARTICIPANT_UNAVAILABLE',
        retryable: true,
        message: expect.stringContaining('The instance of b that has the branch is gone'),
      },
    });
    expect(h.sent(second, 'rollback')).toHaveLength(1);
  });

  it('with a journal each: one that is gone is waited for a second where a sibling takes work', () => {
    for (const [sibling, waitMs] of [
      ['takes work', 1_000],
      ['stops', 5_000],
      ['is not there', 5_000],
    ] as const) {
      const h = new TermHarness({ participantWaitMs: 5_000 });
      const first = h.connect(b1);
      const id = h.transact(['b']);
      const second = sibling === 'is not there' ? null : h.connect(b2);
      if (sibling === 'stops' && second !== null) leave(h, second);
      h.lose(first);
      h.advance(waitMs - 1);
      expect(h.reply(id), sibling).toMatchObject({ type: 'begun' });
      h.advance(1);
      const { reason } = h.reply(id) as { readonly reason: AbortReason };
      expect(reason, sibling).toMatchObject({ code: 'PARTICIPANT_UNAVAILABLE', retryable: true });
      // Another one is asked at once.
      expect(reason.retryAfterMs === undefined, sibling).toBe(sibling === 'takes work');
    }
  });

  it('with one journal: a prepare of one that is gone goes to another, which finds the vote or none', () => {
    const h = new TermHarness();
    const first = h.connect(p1);
    const id = h.transact(['b']);
    const second = h.connect(p2);
    h.lose(first);
    expect(prepares(h, second)).toEqual([1]);
    h.vote(second, 'commit');
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'committed' });
  });

  it('with one journal: but not what that one enlisted itself, whose work is nowhere else', () => {
    const h = new TermHarness({ participantWaitMs: 1_000 });
    const [first, second] = [h.connect(p1), h.connect(p2)];
    const txid = h.begin();
    h.ask({ type: 'enlist', txid, participant: 'b' }, { as: first });
    h.lose(first);
    h.ask({ type: 'commit', txid });
    expect(prepares(h, second)).toEqual([0]);
    const back = h.connect(p1);
    expect(prepares(h, back, second)).toEqual([1, 0]);
  });

  it('commit for one that is gone; who acknowledged is told to forget, and the other is not', () => {
    const h = new TermHarness();
    const first = h.connect(b1);
    h.transact(['b']);
    const second = h.connect(b2);
    h.vote(first, 'commit');
    h.log();
    h.lose(first);
    expect(h.sent(second, 'commit')).toHaveLength(1);
    h.ack(second, 'commit');
    const back = h.connect(b1);
    h.log();
    expect(h.sent(second, 'forget')).toHaveLength(1);
    // It may be in doubt still: what it holds it reports.
    expect(h.sent(back, 'forget')).toHaveLength(0);
  });

  it('give back the place in the window of the one that was commanded, whoever acknowledges', () => {
    const h = new TermHarness({ commandWindow: 1 });
    const first = h.connect(b1);
    for (let count = 0; count < 2; count += 1) {
      h.transact(['b']);
      h.vote(first, 'commit');
      h.log();
    }
    const second = h.connect(b2);
    expect(h.sent(first, 'commit')).toHaveLength(1);
    h.ack(second, 'commit', { txid: h.sent(first, 'commit')[0]?.txid as never });
    expect(h.sent(first, 'commit')).toHaveLength(2);
  });

  it('free the locks for one that hangs, connected: who committed by an answer acknowledges unasked', () => {
    const h = new TermHarness();
    h.world.scan();
    h.log();
    const first = h.connect(b1);
    h.transact(['b'], { locks: [{ keys: ['lamp'] }] });
    const { txid } = h;
    h.vote(first, 'commit');
    h.log();
    const second = h.connect(b2);
    const next = h.ask({ type: 'lock', txid: h.begin(), keys: ['lamp'], mode: 'exclusive' });
    expect(h.sent(first, 'commit')).toHaveLength(1);
    expect(h.sent(second, 'commit')).toHaveLength(0);
    expect(h.reply(next)).toBeUndefined();
    h.ack(second, 'commit', { txid });
    expect(h.reply(next)).toMatchObject({ type: 'locked' });
  });

  it('of which one is slow to notice that its connection is dead: the latest of each counts', () => {
    const h = new TermHarness();
    const old = h.connect(p1);
    const other = h.connect(p2);
    const back = h.connect(p1);
    for (let count = 0; count < 6; count += 1) h.transact(['b']);
    expect(prepares(h, old)).toEqual([0]);
    expect(prepares(h, other, back).every((count) => count > 0)).toBe(true);
  });

  it('are nothing to participants of another name', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    const b = h.connect(b1);
    h.transact(['a']);
    expect(prepares(h, a, b)).toEqual([1, 0]);
  });
});

describe('a participant that stops', () => {
  it.each([
    ['a journal each', b1, b2],
    ['one journal', p1, p2],
  ] as const)('ends what it has, and its siblings get what is new, with %s', (_how, one, two) => {
    const h = new TermHarness();
    const [first, second] = [h.connect(one), h.connect(two)];
    while (prepares(h, first)[0] === 0) h.transact(['b']);
    const before = prepares(h, first, second);
    leave(h, first);
    for (let count = 0; count < 4; count += 1) h.transact(['b']);
    expect(prepares(h, first, second)).toEqual([before[0], (before[1] ?? 0) + 4]);
    const [{ txid } = { txid: h.txid }] = h.sent(first, 'prepare');
    h.vote(first, 'commit', { txid });
    h.log();
    expect(h.sent(first, 'commit')).toMatchObject([{ txid }]);
  });

  it('is asked for what it enlisted itself: the work is nowhere else', () => {
    const h = new TermHarness();
    const [first, second] = [h.connect(p1), h.connect(p2)];
    const txid = h.begin();
    h.ask({ type: 'enlist', txid, participant: 'b' }, { as: first });
    leave(h, first);
    h.ask({ type: 'commit', txid });
    expect(prepares(h, first, second)).toEqual([1, 0]);
  });

  it('alone: what is new waits for the process after it, as for one that is restarted', () => {
    const h = new TermHarness({ participantWaitMs: 1_000 });
    const first = h.connect(b1);
    leave(h, first);
    h.transact(['b']);
    expect(prepares(h, first)).toEqual([0]);
    h.lose(first);
    h.advance(500);
    expect(prepares(h, h.connect(b1))).toEqual([1]);
  });

  it('alone and for long: what is new is refused, may be tried again, and is told why', () => {
    const h = new TermHarness({ participantWaitMs: 1_000 });
    leave(h, h.connect(b1));
    const id = h.transact(['b']);
    h.advance(1_100);
    expect(h.reply(id)).toMatchObject({
      outcome: 'aborted',
      reason: {
        code: 'PARTICIPANT_UNAVAILABLE',
        retryable: true,
        message: expect.stringContaining('b is stopping'),
      },
    });
  });
});
