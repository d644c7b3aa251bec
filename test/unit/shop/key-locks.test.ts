import { describe, expect, it } from 'vitest';
import { KeyLocks } from '../../../cluster/shop/key-locks.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const never = new AbortController().signal;

function setup(waitersMax = 10): { clock: ManualClock; locks: KeyLocks } {
  const clock = new ManualClock();
  return { clock, locks: new KeyLocks({ clock, waitMs: 100, waitersMax }) };
}

describe('locks on keys', () => {
  it('are granted at once where free, and again to their owner', async () => {
    const { locks } = setup();
    expect(await locks.take('k', 'a', never)).toBe('granted');
    expect(await locks.take('k', 'a', never)).toBe('granted');
    expect(locks.ownerOf('k')).toBe('a');
  });

  it('pass to whoever has waited longest, and leave no timer behind', async () => {
    const { clock, locks } = setup();
    await locks.take('k', 'a', never);
    const second = locks.take('k', 'b', never);
    const third = locks.take('k', 'c', never);
    locks.release('k', 'a');
    expect(await second).toBe('granted');
    expect(locks.ownerOf('k')).toBe('b');
    locks.release('k', 'b');
    expect(await third).toBe('granted');
    locks.release('k', 'c');
    expect(locks.ownerOf('k')).toBeNull();
    expect(clock.timers).toBe(0);
  });

  it('are refused when the wait is over, and the next one is not kept from it', async () => {
    const { clock, locks } = setup();
    await locks.take('k', 'a', never);
    const waiting = locks.take('k', 'b', never);
    await clock.advance(100);
    expect(await waiting).toBe('timed-out');
    const later = locks.take('k', 'c', never);
    locks.release('k', 'a');
    expect(await later).toBe('granted');
  });

  it('are given up when the signal fires, before or while waiting', async () => {
    const { locks } = setup();
    await locks.take('k', 'a', never);
    const gone = new AbortController();
    const waiting = locks.take('k', 'b', gone.signal);
    gone.abort();
    expect(await waiting).toBe('given-up');
    expect(await locks.take('other', 'b', gone.signal)).toBe('given-up');
    expect(locks.ownerOf('other')).toBeNull();
    locks.release('k', 'a');
    expect(locks.ownerOf('k')).toBeNull();
  });

  it('have a limit on those who wait', async () => {
    const { locks } = setup(1);
    await locks.take('k', 'a', never);
    const waiting = locks.take('k', 'b', never);
    expect(await locks.take('k', 'c', never)).toBe('too-many');
    locks.release('k', 'a');
    expect(await waiting).toBe('granted');
    const again = locks.take('k', 'c', never);
    locks.release('k', 'b');
    expect(await again).toBe('granted');
  });

  it('are released by their owner alone', async () => {
    const { locks } = setup();
    await locks.take('k', 'a', never);
    locks.release('k', 'b');
    expect(locks.ownerOf('k')).toBe('a');
  });
});
