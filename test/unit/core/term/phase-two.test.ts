import { describe, expect, it } from 'vitest';
import type { CoordinatorOptions } from '../../../../src/core/coordinator-options.ts';
import { a1, a2, b1, b2, TermHarness } from '../../../support/core/term-harness.ts';

const options = { ackTimeoutMs: 1_000, retryDelayMs: 100, maxRetryDelayMs: 400 };

function committing(more: Partial<CoordinatorOptions> = {}): { h: TermHarness; a: number } {
  const h = new TermHarness({ ...options, ...more });
  const a = h.connect(a1);
  h.transact(['a']);
  h.vote(a, 'commit');
  h.log();
  expect(h.sent(a, 'commit')).toHaveLength(1);
  return { h, a };
}

describe('phase 2', () => {
  it('forgets only when every branch acknowledged and the record has moved', () => {
    const { h, a } = committing();
    h.ack(a, 'commit');
    expect(h.world.term.size).toBe(0);
    expect(h.sent(a, 'forget')).toHaveLength(0);
    h.world.answer(0);
    expect(h.world.log.records.get(h.txid)?.finished).toBe(true);
    expect(h.sent(a, 'forget')).toHaveLength(0);
    h.log();
    expect(h.sent(a, 'forget')).toMatchObject([{ txids: [h.txid] }]);
  });

  it('retries with growing pauses, each after its own time for the acknowledgement', () => {
    const { h, a } = committing();
    // Jitter stands at a half of its half here: three quarters of the full pause.
    for (const [turn, pauseMs] of [75, 150, 300, 300, 300].entries()) {
      h.advance(1_000 + pauseMs - 10);
      expect(h.sent(a, 'commit'), `attempt ${turn + 2}`).toHaveLength(turn + 1);
      h.advance(20);
      expect(h.sent(a, 'commit'), `attempt ${turn + 2}`).toHaveLength(turn + 2);
    }
    expect(h.branch('a')).toMatchObject({
      attempts: 6,
      lastError: expect.stringContaining('1000 ms'),
    });
  });

  it('sends at once when the participant returns, and only to it', () => {
    const { h, a } = committing({ retryDelayMs: 30_000, maxRetryDelayMs: 30_000 });
    h.lose(a);
    const other = h.connect(a2);
    expect(h.sent(other, 'commit')).toHaveLength(0);
    expect(h.branch('a')?.attempts, 'another instance is no attempt').toBe(1);
    const back = h.connect(a1);
    expect(h.sent(back, 'commit')).toHaveLength(1);
    h.ack(other, 'commit');
    expect(h.noted('acknowledgement-refused')).toBe(1);
    h.ack(back, 'commit');
    expect(h.world.term.size).toBe(0);
  });

  it('never abandons a commit, and flags it after so many attempts', () => {
    const { h, a } = committing({ attentionAfter: 3 });
    h.lose(a);
    const seen: boolean[] = [];
    for (let attempts = 1; attempts <= 4; attempts += 1) {
      while ((h.branch('a')?.attempts ?? 0) < attempts) h.advance(50);
      seen.push(h.status().attention);
    }
    expect(seen, 'with the attempt after the third').toEqual([false, false, false, true]);
    expect(h.branch('a')?.lastError).toBe('The participant is not connected.');
    h.advance(3_600_000);
    expect(h.status().state).toBe('COMMITTING');
    expect(h.world.term.info().attention).toBe(1);
    const back = h.connect(a1);
    h.ack(back, 'commit');
    expect(h.world.term.info()).toEqual({ states: {}, attention: 0 });
  });

  it('flags a commit that is refused again and again within half a minute, and not for a moment of it', () => {
    const h = new TermHarness();
    const a = h.connect(a1);
    h.transact(['a']);
    h.vote(a, 'commit');
    h.log();
    const refuseFor = (ms: number): void => {
      for (let passed = 0; passed < ms; passed += 50) {
        h.ack(a, 'commit', { code: 'INTERNAL' });
        h.advance(50);
      }
    };
    refuseFor(5_000);
    expect(h.status()).toMatchObject({ state: 'COMMITTING', attention: false });
    refuseFor(25_000);
    expect(h.status()).toMatchObject({
      attention: true,
      branches: [{ lastError: 'It did not work.' }],
    });
  });

  it.each([
    { attentionAfter: 1, attention: [false, true] },
    { attentionAfter: 0, attention: [false, false] },
  ])('with attentionAfter $attentionAfter', ({ attentionAfter, attention }) => {
    const { h } = committing({ attentionAfter });
    const before = h.status().attention;
    h.advance(5_000);
    expect([before, h.status().attention]).toEqual(attention);
  });

  it('counts no acknowledgement of the other decision, nor one that failed', () => {
    const { h, a } = committing();
    h.ack(a, 'abort');
    expect(h.noted('acknowledgement-refused')).toBe(1);
    h.ack(a, 'commit', { code: 'INTERNAL' });
    expect(h.status()).toMatchObject({ state: 'COMMITTING', attention: false });
    expect(h.branch('a')?.lastError).toBe('It did not work.');
    h.ack(a, 'commit', { code: 'UNKNOWN_BRANCH' });
    expect(h.status().attention).toBe(true);
    // The same refusal over and over does not put the next attempt off.
    for (let turn = 0; turn < 10; turn += 1) {
      h.advance(20);
      h.ack(a, 'commit', { code: 'INTERNAL' });
    }
    expect(h.sent(a, 'commit').length).toBeGreaterThan(1);
  });

  it('retries a rollback while its participant is connected, and then keeps nothing', () => {
    const h = new TermHarness(options);
    const a = h.connect(a1);
    h.transact(['a']);
    h.ask({ type: 'rollback', txid: h.txid });
    h.advance(1_100);
    expect(h.sent(a, 'rollback')).toHaveLength(2);
    const other = h.connect(a2);
    h.lose(other);
    expect(h.sent(a, 'rollback'), 'another instance is nothing to it').toHaveLength(2);
    h.lose(a);
    expect(h.world.term.size).toBe(0);
    expect(h.world.term.wakeAtMs()).toBeNull();
    const back = h.connect(a1);
    h.ask(
      { type: 'report', inDoubt: [{ txid: h.txid, witness: h.world.log.witness }], kept: [] },
      { as: back },
    );
    expect(h.sent(back, 'decision')).toMatchObject([{ decision: 'abort' }]);
  });

  it('goes on by the newer connection of an instance when the old one ends', () => {
    const h = new TermHarness(options);
    const old = h.connect(a1);
    h.transact(['a']);
    h.ask({ type: 'rollback', txid: h.txid });
    const fresh = h.connect(a1);
    h.lose(old);
    expect(h.sent(fresh, 'rollback')).toHaveLength(1);
    h.ack(fresh, 'abort');
    expect(h.world.term.size).toBe(0);
  });

  it('goes to another instance of a shared resource when its own is lost', () => {
    const h = new TermHarness(options);
    const first = h.connect(b1);
    h.transact(['b']);
    const second = h.connect(b2);
    h.vote(first, 'commit');
    h.log();
    h.lose(first);
    expect(h.sent(second, 'commit')).toHaveLength(1);
  });

  it('keeps branches independent of one another', () => {
    const h = new TermHarness(options);
    const a = h.connect(a1);
    const b = h.connect(b1);
    h.transact(['a', 'b']);
    h.vote(a, 'commit');
    h.vote(b, 'commit');
    h.log();
    h.ack(a, 'commit');
    h.ack(a, 'commit');
    for (let turn = 0; turn < 5; turn += 1) h.advance(1_000);
    expect(h.sent(a, 'commit')).toHaveLength(1);
    expect(h.sent(b, 'commit').length).toBeGreaterThan(2);
    expect(h.status().state).toBe('COMMITTING');
  });
});

describe('retired instances', () => {
  const retire = (h: TermHarness, instance: typeof a1): void => h.world.retire(instance);

  it('owe nothing: now, for what is decided later, and for what is recovered later', () => {
    const { h } = committing();
    retire(h, a1);
    expect(h.world.term.size).toBe(0);
    const later = new TermHarness(options);
    const a = later.connect(a1);
    later.transact(['a']);
    later.vote(a, 'commit');
    expect(later.status().state).toBe('READY');
    retire(later, a1);
    expect(later.status().state).toBe('READY');
    later.log();
    expect(later.world.term.size).toBe(0);
    const recovered = new TermHarness(options);
    retire(recovered, a1);
    recovered.world.inherit(1, { requestId: null, finished: false });
    recovered.world.scan();
    recovered.log();
    expect(recovered.world.term.size).toBe(0);
    expect(recovered.world.log.pending()).toEqual([]);
  });

  it('leave what they shared to the others, connected or not', () => {
    for (const when of ['before', 'after'] as const) {
      const h = new TermHarness(options);
      if (when === 'before') retire(h, b1);
      h.world.inherit(4, { requestId: null, finished: false });
      h.world.scan();
      h.log();
      if (when === 'after') retire(h, b1);
      expect(h.world.term.size, when).toBe(1);
      const b = h.connect(b2);
      h.ack(b, 'commit', { txid: h.world.txids[0] as never, branch: 'x-b1' });
      expect(h.world.term.size, when).toBe(0);
    }
  });

  it('leave nothing where all that they shared is retired', () => {
    for (const when of ['before', 'after', 'during'] as const) {
      const h = new TermHarness(options);
      h.world.inherit(4, { requestId: null, finished: false });
      if (when === 'before') h.world.retireResource(b1);
      h.world.scan();
      if (when === 'during') h.world.retireResource(b1);
      h.log();
      if (when === 'after') h.world.retireResource(b1);
      expect(h.world.term.size, when).toBe(0);
      expect(h.connect(b2), 'and is refused').toBe(0);
    }
  });

  it('abort what is not decided: their vote is gone with their store', () => {
    const h = new TermHarness(options);
    const [a, b] = [h.connect(a1), h.connect(b1)];
    const id = h.transact(['a', 'b']);
    h.vote(a, 'commit');
    retire(h, a1);
    h.vote(b, 'commit');
    expect(h.reply(id)).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'PARTICIPANT_UNAVAILABLE', participant: 'a' },
    });
  });
});
