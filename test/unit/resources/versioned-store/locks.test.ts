import { describe, expect, it } from 'vitest';
import {
  KeyLocks,
  type LockMode,
  type LockResult,
} from '../../../../src/resources/versioned-store/locks.ts';
import { ManualClock, settle } from '../../../support/samples/manual-clock.ts';

function setup(maxWaiters = 10) {
  const clock = new ManualClock();
  const locks = new KeyLocks({ clock, waitMs: 100, maxWaiters });
  /** What became of each request, in the order in which they ended. */
  const ended: string[] = [];
  const take = (owner: string, key: string, mode: LockMode, signal: AbortSignal | null = null) => {
    const taken = locks.take({ owner, key, mode, signal: () => signal });
    void taken.then((result) => ended.push(`${owner} ${key} ${mode} ${result}`));
    return taken;
  };
  const shared = (owner: string, key = 'k'): Promise<LockResult> => take(owner, key, 'shared');
  const exclusive = (owner: string, key = 'k'): Promise<LockResult> =>
    take(owner, key, 'exclusive');
  const nothingLeft = (): void => {
    expect(locks.waiting).toBe(0);
    expect(clock.timers).toBe(0);
  };
  return { clock, locks, ended, take, shared, exclusive, nothingLeft };
}

describe('locks on keys', () => {
  it('are shared by readers, and by no one with a writer', async () => {
    const { locks, shared, exclusive, nothingLeft } = setup();
    expect(await shared('a')).toBe('granted');
    expect(await shared('b')).toBe('granted');
    expect(locks.tryTake({ owner: 'c', key: 'k', mode: 'exclusive' })).toBe(false);
    const writer = exclusive('c');
    locks.release('a');
    expect(locks.modeOf('k', 'c')).toBeNull();
    locks.release('b');
    expect(await writer).toBe('granted');
    expect(locks.tryTake({ owner: 'd', key: 'k', mode: 'shared' })).toBe(false);
    locks.release('c');
    nothingLeft();
  });

  it('go to whoever has waited longest: no stream of readers keeps a writer out', async () => {
    const { locks, shared, exclusive, ended, nothingLeft } = setup();
    await shared('reader');
    void exclusive('writer');
    void shared('late 1');
    void shared('late 2');
    await settle();
    expect(ended).toEqual(['reader k shared granted']);
    locks.release('reader');
    await settle();
    expect(ended.slice(1)).toEqual(['writer k exclusive granted']);
    locks.release('writer');
    await settle();
    expect(ended.slice(2)).toEqual(['late 1 k shared granted', 'late 2 k shared granted']);
    nothingLeft();
  });

  it('are granted again to their owner, and never weakened', async () => {
    const { locks, shared, exclusive } = setup();
    await exclusive('a');
    expect(await shared('a')).toBe('granted');
    expect(locks.modeOf('k', 'a')).toBe('exclusive');
    expect(locks.keysOf('a', 'exclusive')).toEqual(['k']);
    expect(locks.keysOf('a', 'shared')).toEqual([]);
  });

  it('are raised from shared to exclusive before anybody who holds nothing', async () => {
    const { locks, shared, exclusive, ended } = setup();
    await shared('a');
    await shared('b');
    void exclusive('c');
    void exclusive('a');
    locks.release('b');
    await settle();
    expect(ended.slice(2)).toEqual(['a k exclusive granted']);
    expect(locks.modeOf('k', 'a')).toBe('exclusive');
    locks.release('a');
    await settle();
    expect(ended.slice(3)).toEqual(['c k exclusive granted']);
  });

  it('refuse the second of two that would raise the same key: neither could ever go on', async () => {
    const { locks, shared, exclusive, nothingLeft } = setup();
    await shared('a');
    await shared('b');
    const first = exclusive('a');
    expect(await exclusive('b')).toBe('deadlock');
    locks.release('b');
    expect(await first).toBe('granted');
    nothingLeft();
  });

  it('refuse whoever closes a circle, at once, and no one else', async () => {
    const { locks, exclusive, nothingLeft } = setup();
    for (const owner of ['a', 'b', 'c']) await exclusive(owner, owner);
    const waiting = [exclusive('a', 'b'), exclusive('b', 'c')];
    expect(await exclusive('c', 'a')).toBe('deadlock');
    locks.release('c');
    expect(await waiting[1]).toBe('granted');
    locks.release('b');
    expect(await waiting[0]).toBe('granted');
    nothingLeft();
  });

  it('see a circle that goes through the queue, not only through holders', async () => {
    const { locks, shared, exclusive } = setup();
    await shared('a', 'k');
    await exclusive('c', 'm');
    // b waits for a; c, a reader, waits for b alone, which is before it.
    void exclusive('b', 'k');
    void shared('c', 'k');
    expect(await exclusive('a', 'm')).toBe('deadlock');
    locks.release('a');
    await settle();
    expect(locks.modeOf('k', 'b')).toBe('exclusive');
  });

  it('answer all that one owner asked for on a key, wherever it stands in the queue', async () => {
    const { locks, shared, exclusive, ended, nothingLeft } = setup();
    await shared('e');
    void exclusive('b');
    void shared('a');
    void shared('b');
    locks.release('e');
    await settle();
    expect(ended.slice(1).sort()).toEqual(['b k exclusive granted', 'b k shared granted']);
    locks.release('b');
    await settle();
    expect(ended.slice(3)).toEqual(['a k shared granted']);
    nothingLeft();
  });

  it('are refused when the wait is over, and the next ones are not kept from them', async () => {
    const { clock, locks, shared, exclusive, nothingLeft } = setup();
    await shared('a');
    const writer = exclusive('b');
    await clock.advance(60);
    const reader = shared('c');
    await clock.advance(40);
    expect(await writer).toBe('timed-out');
    // Only the writer stood between the readers.
    expect(await reader).toBe('granted');
    expect(locks.modeOf('k', 'c')).toBe('shared');
    nothingLeft();
  });

  it('are given up with the signal, without a trace', async () => {
    const { locks, take, exclusive, nothingLeft } = setup();
    await exclusive('a');
    const controller = new AbortController();
    const waiting = take('b', 'k', 'exclusive', controller.signal);
    controller.abort();
    expect(await waiting).toBe('given-up');
    expect(await take('b', 'k', 'exclusive', controller.signal)).toBe('given-up');
    locks.release('a');
    expect(locks.modeOf('k', 'b')).toBeNull();
    nothingLeft();
  });

  it('end the waiting of an owner that is released, and of all when closed', async () => {
    const { locks, exclusive, nothingLeft } = setup();
    await exclusive('a');
    const second = exclusive('b');
    const third = exclusive('c');
    locks.release('b');
    expect(await second).toBe('given-up');
    locks.close();
    expect(await third).toBe('given-up');
    nothingLeft();
  });

  it('go to no one that was released, whatever else it had asked for', async () => {
    const { locks, shared, exclusive, ended, nothingLeft } = setup();
    await shared('a');
    void exclusive('b');
    void shared('b');
    void shared('c');
    locks.release('b');
    await settle();
    expect(ended.slice(1).sort().at(-1)).toBe('c k shared granted');
    expect(locks.modeOf('k', 'b')).toBeNull();
    expect(locks.modeOf('k', 'c')).toBe('shared');
    nothingLeft();
  });

  it('let only so many wait', async () => {
    const { exclusive } = setup(2);
    await exclusive('a');
    void exclusive('b');
    void exclusive('c');
    expect(await exclusive('d')).toBe('too-many');
  });

  it('let go of what is shared, and keep the rest', async () => {
    const { locks, shared, exclusive } = setup();
    await shared('a', 'r');
    await exclusive('a', 'w');
    const writer = exclusive('b', 'r');
    locks.releaseShared('a');
    expect(await writer).toBe('granted');
    expect(locks.keysOf('a', 'exclusive')).toEqual(['w']);
  });
});
