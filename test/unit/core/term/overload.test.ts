/** More transactions than their participants can do. */
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Pace } from '../../../../src/core/term/flow/pace.ts';
import { Window } from '../../../../src/core/term/flow/participant-window.ts';
import type { Txid } from '../../../../src/core/txid.ts';
import { a1, b1, c1, TermHarness } from '../../../support/core/term-harness.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

describe('a long queue', () => {
  /** How often a window was asked for room: at most for one event, and for all. */
  const looksFor = (count: number): { atOnce: number; each: number } => {
    const looks = vi.spyOn(Window.prototype, 'fits');
    const h = new TermHarness({ participantWindow: 4, participantQueue: 100_000 });
    const connections = [h.connect(a1), h.connect(b1), h.connect(c1)];
    const ids = Array.from({ length: count }, () => h.transact(['a', 'b', 'c']));
    let atOnce = 0;
    looks.mockClear();
    let all = 0;
    for (let voted = 0; voted < count; ) {
      const before = voted;
      // All that one participant was sent, then the next: as their flushes come.
      const sent = connections.map((connection) => h.sent(connection, 'prepare').slice(before));
      for (const [at, prepares] of sent.entries()) {
        for (const { txid } of prepares) {
          h.vote(connections[at] as number, 'readonly', { txid });
          atOnce = Math.max(atOnce, looks.mock.calls.length);
          all += looks.mock.calls.length;
          looks.mockClear();
          voted += at === 2 ? 1 : 0;
        }
      }
      expect(voted).toBeGreaterThan(before);
      // What was left for later steps.
      h.advance(0);
      h.advance(0);
    }
    for (const id of ids) expect(h.reply(id)).toMatchObject({ outcome: 'committed' });
    looks.mockRestore();
    return { atOnce, each: all / count };
  };

  it('costs each vote, and each transaction, the same however long it is', () => {
    const short = looksFor(50);
    const long = looksFor(1_000);
    expect(long.atOnce).toBeLessThanOrEqual(2 * short.atOnce);
    expect(long.each).toBeLessThanOrEqual(2 * short.each);
  });

  it('of those that wait for another is passed by those behind it, some at a time', () => {
    const h = new TermHarness({ participantWindow: 1 });
    const a = h.connect(a1);
    h.connect(b1);
    h.transact(['b']);
    h.transact(['a']);
    const under = h.txid;
    for (let count = 0; count < 300; count += 1) h.transact(['a', 'b']);
    h.transact(['a']);
    const alone = h.txid;
    h.vote(a, 'readonly', { txid: under });
    // `b` says nothing, and nothing else happens: its own steps get there.
    for (let wakes = 0; wakes < 10 && h.world.term.wakeAtMs() === h.world.nowMs; wakes += 1) {
      h.advance(0);
    }
    expect(h.sent(a, 'prepare').map(({ txid }) => txid)).toEqual([under, alone]);
  });
});

describe('many that wait for several participants each', () => {
  const needs = fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 3 });
  const move = fc.oneof(
    { weight: 2, arbitrary: fc.record({ what: fc.constant('come' as const), needs }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('vote' as const), at: fc.nat(999) }) },
    { weight: 1, arbitrary: fc.record({ what: fc.constant('wait' as const), ms: fc.nat(400) }) },
  );

  it('all come in, and none waits for room that is there', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(needs, { minLength: 20, maxLength: 60 }),
        fc.array(move, { minLength: 20, maxLength: 60 }),
        (participantWindow, first, moves) => {
          const h = new TermHarness({ participantWindow, breakerAfter: 0 });
          const open = [h.connect(a1), h.connect(b1), h.connect(c1)];
          const voted = new Set<unknown>();
          const come = (participants: readonly string[]): void => {
            h.transact(participants, { timeoutMs: 2_000 });
          };
          const vote = (at: number): boolean => {
            const due = open.flatMap((connection) =>
              h
                .sent(connection, 'prepare')
                .filter((prepare) => !voted.has(prepare))
                .map((prepare) => ({ connection, prepare })),
            );
            const chosen = due[at % Math.max(1, due.length)];
            if (chosen === undefined) return false;
            const { txid, branch } = chosen.prepare;
            voted.add(chosen.prepare);
            h.vote(chosen.connection, 'readonly', { txid, branch });
            return true;
          };
          const wakes = (): void => {
            for (let count = 0; h.world.term.wakeAtMs() === h.world.nowMs; count += 1) {
              expect(count).toBeLessThan(20);
              h.advance(0);
            }
          };
          // After each the load checker looks whether someone waits for nothing.
          for (const each of first) come(each);
          for (const each of moves) {
            if (each.what === 'come') come(each.needs);
            else if (each.what === 'vote') vote(each.at);
            else h.advance(each.ms);
            wakes();
          }
          for (let at = 0; vote(at); at += 7) wakes();
          expect(h.world.term.list({ state: 'PREPARING' }).transactions).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('past its capacity', () => {
  it('a one-shot is refused before it is begun, and comes in when a place is free', () => {
    const h = new TermHarness({ participantWindow: 1, participantQueue: 1 });
    const a = h.connect(a1);
    const first = h.transact(['a']);
    const { txid } = h;
    const second = h.transact(['a']);
    const third = h.transact(['a']);
    expect(h.reply(third)).toMatchObject({ type: 'error', code: 'BUSY', retryable: true });
    expect(h.reply(third)).toHaveProperty('retryAfterMs');
    expect(h.world.term.size).toBe(2);
    for (const waiting of [first, second]) {
      expect(h.reply(waiting)).toMatchObject({ type: 'begun' });
    }
    expect(h.sent(a, 'prepare')).toHaveLength(1);
    h.vote(a, 'readonly', { txid });
    expect(h.reply(h.transact(['a']))).toMatchObject({ type: 'begun' });
  });

  it('none waits where none may, and nothing is refused while there is room', () => {
    const h = new TermHarness({ participantWindow: 2, participantQueue: 0 });
    h.connect(a1);
    const replies = [1, 2, 3].map(() => h.reply(h.transact(['a'])));
    expect(replies).toMatchObject([{ type: 'begun' }, { type: 'begun' }, { code: 'BUSY' }]);
  });

  it('a request id that was refused is not used up', () => {
    const h = new TermHarness({ participantWindow: 1, participantQueue: 0 });
    const a = h.connect(a1);
    h.transact(['a']);
    const { txid } = h;
    const refused = h.transact(['a'], { requestId: 'r' });
    expect(h.reply(refused)).toMatchObject({ code: 'BUSY' });
    h.vote(a, 'readonly', { txid });
    const again = h.transact(['a'], { requestId: 'r' });
    h.vote(a, 'commit');
    h.log();
    expect(h.reply(again)).toMatchObject({ outcome: 'committed' });
  });

  it('a client may not enlist it, a participant may enlist itself, and what was let in is done', () => {
    const h = new TermHarness({ participantWindow: 1, participantQueue: 1 });
    const a = h.connect(a1);
    const early = h.begin();
    h.ask({ type: 'enlist', txid: early, participant: 'a' });
    const late = h.begin();
    h.transact(['a']);
    const { txid } = h;
    h.transact(['a']);
    const waits = h.txid;
    const refused = h.ask({ type: 'enlist', txid: late, participant: 'a' });
    expect(h.reply(refused)).toMatchObject({ code: 'BUSY', txid: late });
    const own = h.ask({ type: 'enlist', txid: late, participant: 'a' }, { as: a });
    expect(h.reply(own)).toMatchObject({ type: 'enlisted' });
    const id = h.ask({ type: 'commit', txid: early });
    for (const each of [txid, waits, early]) h.vote(a, 'commit', { txid: each });
    h.log();
    expect(h.reply(id)).toMatchObject({ outcome: 'committed' });
  });

  it('those who would hardly be in time are refused, by the pace of those before them', () => {
    const h = new TermHarness({ participantWindow: 2, participantQueue: 1_000 });
    const a = h.connect(a1);
    const sent = (): Txid[] => h.sent(a, 'prepare').map(({ txid }) => txid);
    for (let count = 0; count < 20; count += 1) h.transact(['a']);
    for (let count = 0; count < 10; count += 1) {
      h.advance(50);
      h.vote(a, 'readonly', { txid: sent()[count] as Txid });
    }
    // Ten before it, of 50 ms each.
    expect(h.reply(h.transact(['a'], { timeoutMs: 700 }))).toMatchObject({ code: 'BUSY' });
    expect(h.reply(h.transact(['a'], { timeoutMs: 5_000 }))).toMatchObject({ type: 'begun' });
  });
});

describe('the pace of a participant', () => {
  /** A window full at once, once a second, then none. */
  const burst = (pace: Pace, nowMs: number, wanted: number): void => {
    for (let taken = 256; taken > 0; taken -= 1) {
      pace.freed(nowMs, { taken: 256, isWanted: 256 - taken < wanted });
    }
  };

  it('is not known by the first that came free after a silence', () => {
    const pace = new Pace();
    pace.begins(0);
    pace.freed(1_000, { taken: 256, isWanted: true });
    expect(pace.waitMs(400)).toBeNull();
    for (const atMs of [1_000, 2_000]) burst(pace, atMs, 256);
    expect(pace.waitMs(400)).toBeNull();
  });

  it('is what it serves in several turns of its window, however it comes', () => {
    const pace = new Pace();
    pace.begins(0);
    for (let second = 1; second < 30; second += 1) {
      burst(pace, second * 1_000, 256);
      const waitMs = pace.waitMs(256) ?? 1_000;
      expect(waitMs).toBeGreaterThan(700);
      expect(waitMs).toBeLessThan(1_300);
    }
    expect(pace.waitMs(256)).not.toBeNull();
  });

  it('is not measured where the queue is empty in between', () => {
    const pace = new Pace();
    for (let second = 1; second < 30; second += 1) {
      pace.begins(second * 1_000 - 500);
      burst(pace, second * 1_000, 144);
    }
    expect(pace.waitMs(400)).toBeNull();
  });

  it('is not taken of answers that were read together', () => {
    const pace = new Pace();
    pace.begins(0);
    for (let atMs = 0; atMs < 1_000; atMs += 50) {
      for (let count = 0; count < 5; count += 1) pace.freed(atMs, { taken: 1, isWanted: true });
      expect(pace.waitMs(10) ?? 100).toBeGreaterThan(60);
    }
  });
});

describe('its queues', () => {
  it('can be read, each with its bound, and of several participants the fullest', () => {
    const h = new TermHarness({ participantWindow: 2, participantQueue: 7, commandWindow: 1 });
    const a = h.connect(a1);
    h.connect(b1);
    h.transact(['b']);
    for (let count = 0; count < 5; count += 1) h.transact(['a'], { requestId: `r${count}` });
    const read = (queue: string): object => {
      const found = h.world.term.queues().find((each) => each.queue === queue);
      const { queue: _queue, shard, ...rest } = found ?? { queue, shard: null };
      expect(shard).toBe(0);
      return rest;
    };
    expect(read('transactions')).toEqual({ entries: 6, maxEntries: 100_000 });
    expect(read('request-ids')).toEqual({ entries: 5, maxEntries: 1_000_000 });
    expect(read('prepares-under-way')).toEqual({ entries: 2, maxEntries: 2, participant: 'a' });
    expect(read('waiting-for-prepare')).toEqual({ entries: 3, maxEntries: 7, participant: 'a' });
    expect(read('waiting-for-command')).toEqual({ entries: 0 });
    expect(read('lock-waiters')).toEqual({ entries: 0, maxEntries: 10_000 });
    for (const { txid } of h.sent(a, 'prepare').slice(0, 2)) h.vote(a, 'commit', { txid });
    h.log();
    expect(read('waiting-for-command')).toEqual({ entries: 1 });
  });
});

describe('when to come again', () => {
  it('is the later the more come too soon, within bounds, and soon again when no one waits', () => {
    const pace = new Pace();
    const retries: number[] = [];
    let nowMs = 0;
    pace.begins(nowMs);
    for (let period = 0; period < 10; period += 1) {
      for (let count = 0; count < 40; count += 1) retries.push(pace.refuse());
      for (let count = 0; count < 10; count += 1) {
        nowMs += 10;
        pace.freed(nowMs, { taken: 3, isWanted: true });
      }
    }
    expect(retries.at(0)).toBe(100);
    expect(retries.at(-1)).toBe(5_000);
    expect(pace.waitMs(10)).toBeGreaterThan(50);
    for (let round = 0; round < 10; round += 1) {
      pace.begins(nowMs);
      pace.freed(nowMs, { taken: 3, isWanted: false });
    }
    expect(pace.refuse()).toBe(100);
  });
});
