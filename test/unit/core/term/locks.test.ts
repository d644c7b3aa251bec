import { describe, expect, it } from 'vitest';
import type { Txid } from '../../../../src/core/txid.ts';
import { a1, b1, c1, TermHarness } from '../../../support/core/term-harness.ts';

/** As a node that has read what the log holds: only then does it grant. */
function opened(options: ConstructorParameters<typeof TermHarness>[0] = {}): TermHarness {
  const h = new TermHarness(options);
  h.world.scan();
  h.log();
  return h;
}

function lock(
  h: TermHarness,
  txid: Txid,
  keys: readonly string[],
  more: { mode?: 'shared' | 'exclusive'; waitMs?: number } = {},
): number {
  return h.ask({ type: 'lock', txid, keys, mode: 'exclusive', ...more });
}

const exclusive = (...keys: string[]) => ({ locks: [{ keys }] });

describe('named locks', () => {
  it('are granted in the order in which they were asked for, and let go by an abort', () => {
    const h = opened();
    const [one, two, three] = [h.begin(), h.begin(), h.begin()];
    const first = lock(h, one, ['k']);
    expect(h.reply(first)).toEqual({ type: 'locked', id: first, txid: one, keys: ['k'] });
    const second = lock(h, two, ['k', 'm']);
    const third = lock(h, three, ['k'], { mode: 'shared' });
    expect([h.reply(second), h.reply(third)]).toEqual([undefined, undefined]);
    h.ask({ type: 'rollback', txid: one });
    expect(h.reply(second)).toMatchObject({ type: 'locked', keys: ['k', 'm'] });
    expect(h.reply(third)).toBeUndefined();
    h.ask({ type: 'rollback', txid: two });
    expect(h.reply(third)).toMatchObject({ type: 'locked' });
  });

  it('are shared by those who share them, but not past one who waits for all of it', () => {
    const h = opened();
    const [one, two, three, four] = [h.begin(), h.begin(), h.begin(), h.begin()];
    lock(h, one, ['k'], { mode: 'shared' });
    const two1 = lock(h, two, ['k'], { mode: 'shared' });
    expect(h.reply(two1)).toMatchObject({ type: 'locked' });
    const writer = lock(h, three, ['k']);
    const reader = lock(h, four, ['k'], { mode: 'shared' });
    h.ask({ type: 'rollback', txid: one });
    h.ask({ type: 'rollback', txid: two });
    expect(h.reply(writer)).toMatchObject({ type: 'locked' });
    expect(h.reply(reader)).toBeUndefined();
  });

  it('are answered again to who asks again, and joined by who asks again while it waits', () => {
    const h = opened();
    const [one, two] = [h.begin(), h.begin()];
    lock(h, one, ['k']);
    expect(h.reply(lock(h, one, ['k'], { mode: 'shared' }))).toMatchObject({ type: 'locked' });
    const [first, again] = [lock(h, two, ['k']), lock(h, two, ['k'])];
    h.ask({ type: 'rollback', txid: one });
    expect([h.reply(first), h.reply(again)]).toMatchObject([
      { type: 'locked' },
      { type: 'locked' },
    ]);
  });

  it('are held by a commit until every branch has acknowledged', () => {
    const h = opened();
    const [a, b] = [h.connect(a1), h.connect(b1)];
    h.transact(['a', 'b'], exclusive('k'));
    const { txid } = h;
    h.vote(a, 'commit');
    h.vote(b, 'commit');
    h.log();
    const waits = lock(h, h.begin(), ['k']);
    expect(h.world.log.records.get(txid)?.record.locks).toEqual({
      group: 'default',
      exclusive: ['k'],
      shared: [],
    });
    h.ack(a, 'commit', { txid });
    expect(h.reply(waits)).toBeUndefined();
    h.ack(b, 'commit', { txid });
    expect(h.reply(waits)).toMatchObject({ type: 'locked' });
  });

  it('are let go by a transaction that only read, with its decision', () => {
    const h = opened();
    const a = h.connect(a1);
    h.transact(['a'], exclusive('k'));
    const waits = lock(h, h.begin(), ['k']);
    h.vote(a, 'readonly', { txid: h.world.txids.at(-2) as Txid });
    expect(h.reply(waits)).toMatchObject({ type: 'locked' });
  });

  it('of a one-shot are taken before its first prepare, whatever becomes of the client', () => {
    const h = opened();
    const a = h.connect(a1);
    const holder = h.begin();
    lock(h, holder, ['k']);
    h.transact(['a'], { locks: [{ keys: ['k', 'm'], mode: 'shared' }, { keys: ['m'] }] });
    const { txid } = h;
    expect(h.status(txid)).toMatchObject({
      state: 'PENDING',
      lockGroup: 'default',
      locks: [
        { key: 'k', mode: 'shared', held: false, waitsFor: [holder] },
        { key: 'm', mode: 'exclusive', held: false, waitsFor: [] },
      ],
    });
    expect(h.sent(a, 'prepare')).toHaveLength(0);
    // Its own txid was announced; a commit of it must not jump the queue, nor may it grow.
    h.ask({ type: 'commit', txid });
    expect(h.reply(h.ask({ type: 'enlist', txid, participant: 'b' }))).toMatchObject({
      code: 'WRONG_STATE',
    });
    expect(h.reply(lock(h, txid, ['n']))).toMatchObject({ code: 'WRONG_STATE' });
    expect(h.sent(a, 'prepare')).toHaveLength(0);
    h.ask({ type: 'rollback', txid: holder });
    expect(h.sent(a, 'prepare')).toHaveLength(1);
  });

  it('hold a commit back while they are waited for', () => {
    const h = opened();
    const a = h.connect(a1);
    const holder = h.begin();
    lock(h, holder, ['k']);
    const txid = h.begin();
    h.ask({ type: 'enlist', txid, participant: 'a' });
    lock(h, txid, ['k']);
    const commit = h.ask({ type: 'commit', txid });
    expect(h.sent(a, 'prepare')).toHaveLength(0);
    expect(h.reply(h.ask({ type: 'enlist', txid, participant: 'b' }))).toMatchObject({
      code: 'WRONG_STATE',
    });
    h.ask({ type: 'rollback', txid: holder });
    h.vote(a, 'commit', { txid });
    h.log();
    expect(h.reply(commit)).toMatchObject({ outcome: 'committed' });
  });

  it('go on to the next after rollbacks have left for the participants', () => {
    const h = opened();
    const a = h.connect(a1);
    h.transact(['a'], exclusive('k'));
    const first = h.txid;
    h.transact(['a'], exclusive('k'));
    h.ask({ type: 'rollback', txid: first });
    const order = h.world.sent
      .filter(({ connection }) => connection === a)
      .map(({ message }) => message.type);
    expect(order).toEqual(['prepare', 'rollback', 'prepare']);
  });
});

describe('deadlocks', () => {
  it('abort the youngest at once, naming the cycle', () => {
    const h = opened();
    const [one, two, three] = [h.begin(), h.begin(), h.begin()];
    lock(h, one, ['a']);
    lock(h, two, ['b']);
    lock(h, three, ['c']);
    lock(h, three, ['a']);
    const ends = lock(h, one, ['b']);
    const commit = h.ask({ type: 'commit', txid: three });
    const last = lock(h, two, ['c']);
    const cycle = [
      { txid: two, waitsFor: 'c' },
      { txid: three, waitsFor: 'a' },
      { txid: one, waitsFor: 'b' },
    ];
    expect(h.reply(commit)).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'DEADLOCK', retryable: true, detail: { cycle } },
    });
    expect(h.reply(last)).toMatchObject({ type: 'locked' });
    expect(h.reply(ends)).toBeUndefined();
    expect(h.noted('deadlock')).toBe(1);
    expect(h.world.nowMs).toBe(1_000);
  });

  it('take back what the end of one victim gave to the next', () => {
    const h = opened();
    const [elder, first, second] = [h.begin(), h.begin(), h.begin()];
    lock(h, elder, ['a']);
    lock(h, first, ['c', 'p']);
    lock(h, second, ['b']);
    const waits = [lock(h, first, ['a']), lock(h, second, ['a']), lock(h, second, ['p'])];
    const whole = lock(h, elder, ['b', 'c']);
    expect(waits.map((id) => h.reply(id))).toMatchObject([
      { code: 'DEADLOCK', txid: first },
      { code: 'DEADLOCK', txid: second },
      { code: 'DEADLOCK', txid: second },
    ]);
    expect(h.reply(whole)).toMatchObject({ type: 'locked' });
    h.ask({ type: 'rollback', txid: elder });
    expect(h.world.term.locks({}).locks).toEqual([]);
    expect(h.world.term.wakeAtMs()).toBeNull();
  });

  it('of two who share a lock and both want all of it spare the elder', () => {
    const h = opened();
    const [one, two] = [h.begin(), h.begin()];
    lock(h, one, ['k'], { mode: 'shared' });
    lock(h, two, ['k'], { mode: 'shared' });
    const elder = lock(h, one, ['k']);
    expect(h.reply(elder)).toBeUndefined();
    expect(h.reply(lock(h, two, ['k']))).toMatchObject({
      type: 'error',
      code: 'DEADLOCK',
      retryable: true,
      txid: two,
    });
    expect(h.reply(elder)).toMatchObject({ type: 'locked' });
  });
});

describe('limits of locks', () => {
  it('end a wait, and with it the transaction', () => {
    const h = opened();
    const [one, two, three] = [h.begin(), h.begin(), h.begin()];
    lock(h, one, ['k']);
    expect(h.reply(lock(h, three, ['k'], { waitMs: 0 }))).toMatchObject({ code: 'LOCK_TIMEOUT' });
    const waits = lock(h, two, ['k'], { waitMs: 50 });
    h.advance(49);
    expect(h.reply(waits)).toBeUndefined();
    h.advance(5);
    expect(h.reply(waits)).toMatchObject({ code: 'LOCK_TIMEOUT', retryable: true, txid: two });
    expect(h.status(two)).toMatchObject({ state: 'ABORTED', reason: { code: 'LOCK_TIMEOUT' } });
  });

  it('end what holds too long without a decision, and flag what is decided', () => {
    const h = opened({ lockHoldMs: 2_000, transactionTimeoutMs: 60_000, attentionAfter: 0 });
    const one = h.begin();
    lock(h, one, ['k']);
    const waits = lock(h, h.begin(), ['k']);
    h.advance(2_010);
    expect(h.status(one)).toMatchObject({ state: 'ABORTED', reason: { code: 'LOCK_TIMEOUT' } });
    expect(h.reply(waits)).toMatchObject({ type: 'locked' });
    const a = h.connect(a1);
    h.transact(['a'], exclusive('m'));
    const decided = h.txid;
    h.vote(a, 'commit');
    h.log();
    h.lose(a);
    h.advance(2_010);
    expect(h.status(decided)).toMatchObject({ state: 'COMMITTING', attention: true });
    h.ack(h.connect(a1), 'commit', { txid: decided });
    expect(h.world.term.info().attention).toBe(0);
  });

  it('leave READY to the answer of the log', () => {
    const h = opened({ lockHoldMs: 2_000, transactionTimeoutMs: 60_000 });
    const a = h.connect(a1);
    h.transact(['a'], exclusive('k'));
    h.vote(a, 'commit');
    h.advance(2_010);
    expect(h.status()).toMatchObject({ state: 'READY', attention: false });
    h.advance(1_010);
    h.log();
    h.advance(1_010);
    expect(h.status()).toMatchObject({ state: 'COMMITTING', attention: true });
  });

  it('refuse too many keys, a record too large, and too many who wait', () => {
    const h = opened({ maxLocks: 2, maxLockWaiters: 1, maxRecordBytes: 1_024 });
    const one = h.begin();
    lock(h, one, ['a', 'b']);
    expect(h.reply(lock(h, one, ['c']))).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(h.reply(lock(h, one, ['b', 'a']))).toMatchObject({ type: 'locked' });
    const long = ['x'.repeat(700), 'y'.repeat(300)];
    expect(h.reply(lock(h, h.begin(), long))).toMatchObject({ code: 'TOO_LARGE' });
    expect(h.reply(h.transact(['a'], exclusive(...long)))).toMatchObject({ code: 'TOO_LARGE' });
    lock(h, h.begin(), ['a']);
    expect(h.reply(lock(h, h.begin(), ['b']))).toMatchObject({ code: 'BUSY', retryable: true });
    expect(h.reply(h.transact(['a'], exclusive('a')))).toMatchObject({ code: 'BUSY' });
    expect(h.reply(lock(h, h.begin(), []))).toMatchObject({ code: 'INVALID_MESSAGE' });
  });
});

describe('ends of those who wait', () => {
  it('a rollback, a time-out of the transaction, the end of the leadership', () => {
    const h = opened();
    const holder = h.begin();
    lock(h, holder, ['k']);
    const rolled = h.begin();
    const first = lock(h, rolled, ['k']);
    h.ask({ type: 'rollback', txid: rolled });
    expect(h.reply(first)).toMatchObject({ code: 'WRONG_STATE', txid: rolled });
    const second = lock(h, h.begin(100), ['k'], { waitMs: 100 });
    h.advance(110);
    expect(h.reply(second)).toMatchObject({ code: 'WRONG_STATE' });
    expect(h.status()).toMatchObject({ reason: { code: 'TRANSACTION_TIMEOUT' } });
    const [third, fourth] = [lock(h, h.begin(), ['k']), lock(h, h.begin(), ['k'])];
    h.world.step({ type: 'lost' });
    expect([h.reply(third), h.reply(fourth)]).toMatchObject([
      { code: 'WRONG_STATE' },
      { code: 'WRONG_STATE' },
    ]);
  });

  it('a long queue of one-shots whose participant is away', () => {
    const h = opened({ participantWaitMs: 0 });
    const holder = h.begin();
    lock(h, holder, ['k']);
    const ids = Array.from({ length: 2_000 }, () => h.transact(['a'], exclusive('k')));
    h.ask({ type: 'rollback', txid: holder });
    const codes = new Set(
      h.world.sent.map(({ message }) =>
        message.type === 'outcome' ? message.reason?.code : undefined,
      ),
    );
    expect(codes).toContain('PARTICIPANT_UNAVAILABLE');
    expect(h.reply(ids.at(-1) as number)).toMatchObject({ outcome: 'aborted' });
    expect(h.world.term.locks({}).locks).toEqual([]);
  });
});

describe('recovery', () => {
  it('holds again what a committed transaction held, before anything is granted', () => {
    const h = new TermHarness();
    const txid = h.world.inherit(1, {
      requestId: null,
      finished: false,
      locks: { group: 'default', exclusive: ['k'], shared: ['s'] },
    });
    const a = h.connect(a1);
    const early = lock(h, h.begin(), ['k']);
    const free = lock(h, h.begin(), ['s'], { mode: 'shared' });
    h.transact(['b'], exclusive('m'));
    const b = h.connect(b1);
    expect(h.reply(free)).toBeUndefined();
    h.world.scan();
    expect(h.sent(b, 'prepare')).toHaveLength(0);
    h.log();
    expect(h.sent(b, 'prepare')).toHaveLength(1);
    expect(h.reply(early)).toBeUndefined();
    expect(h.reply(free)).toMatchObject({ type: 'locked' });
    h.ack(a, 'commit', { txid, branch: 'x-a1' });
    expect(h.reply(early)).toMatchObject({ type: 'locked' });
  });

  it('grants nothing after a scan that failed', () => {
    const h = new TermHarness();
    const waits = lock(h, h.begin(), ['k']);
    h.world.step({ type: 'scan-started' });
    h.world.step({ type: 'scan-ended', failed: true });
    expect(h.reply(waits)).toBeUndefined();
    h.world.scan();
    h.log();
    expect(h.reply(waits)).toMatchObject({ type: 'locked' });
  });

  it('holds a lock for two whose record stands: one was done, and the next committed', () => {
    const h = new TermHarness();
    const locks = { group: 'default', exclusive: ['k'], shared: [] };
    const one = h.world.inherit(1, { requestId: null, finished: false, locks });
    const two = h.world.inherit(16, { requestId: null, finished: false, locks });
    const [a, c] = [h.connect(a1), h.connect(c1)];
    h.world.scan();
    h.log();
    const waits = lock(h, h.begin(), ['k']);
    expect(h.world.term.locks({ waiting: true })).toMatchObject({
      locks: [{ group: 'default', key: 'k', holding: 2, waiting: 1 }],
      truncated: false,
    });
    h.ack(a, 'commit', { txid: one, branch: 'x-a1' });
    expect(h.reply(waits)).toBeUndefined();
    h.ack(c, 'commit', { txid: two, branch: 'x-c1' });
    expect(h.reply(waits)).toMatchObject({ type: 'locked' });
  });
});
