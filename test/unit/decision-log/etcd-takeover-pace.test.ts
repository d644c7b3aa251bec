import { describe, expect, it } from 'vitest';
import { TakeoverPace } from '../../../src/decision-log/etcd/takeover-pace.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

/** Etcd's answer about a lease of 3 s that was last kept alive at `aliveAtMs`. */
function setUp() {
  const clock = new ManualClock();
  const aliveAtMs = new Map<string, number>();
  const pace = new TakeoverPace({
    clock,
    timeToLive: async (lease) => {
      const leftMs = (aliveAtMs.get(lease) ?? 0) + 3_000 - clock.monotonicMs();
      return { leftS: leftMs <= 0 ? -1 : Math.floor(leftMs / 1_000), grantedS: 3 };
    },
  });
  return {
    clock,
    pace,
    /** Takes over from a leader that beat at this moment. */
    take: (lease: string) => {
      aliveAtMs.set(lease, clock.monotonicMs());
      pace.took(lease);
    },
    beat: (lease: string) => aliveAtMs.set(lease, clock.monotonicMs()),
  };
}

describe('pace of takeovers on evidence', () => {
  it('does not wait for the first', async () => {
    expect(await setUp().pace.pauseMs()).toBe(0);
  });

  it('never waits while the evidence is right, however quick the deaths', async () => {
    const { clock, pace, take } = setUp();
    for (let death = 0; death < 20; death += 1) {
      take(`lease ${death}`);
      clock.jump(400);
      expect(await pace.pauseMs()).toBe(0);
    }
  });

  it('waits, doubling, where the old leader lived on', async () => {
    const { clock, pace, take, beat } = setUp();
    const pauses: number[] = [];
    for (let guess = 0; guess < 10; guess += 1) {
      take(`lease ${guess}`);
      clock.jump(1_500);
      beat(`lease ${guess}`);
      pauses.push((await pace.pauseMs()) + 1_500);
    }
    expect(pauses.slice(3, 6)).toEqual([2_000, 4_000, 8_000]);
    expect(Math.max(...pauses)).toBe(30_000);
  });

  it('forgets its wrong guesses once a lease has run out by itself', async () => {
    const { clock, pace, take, beat } = setUp();
    for (let guess = 0; guess < 6; guess += 1) {
      take(`lease ${guess}`);
      clock.jump(1_500);
      beat(`lease ${guess}`);
      await pace.pauseMs();
    }
    expect(await pace.pauseMs()).toBeGreaterThan(0);
    pace.expired();
    expect(await pace.pauseMs()).toBe(0);
  });
});

describe('a lease of another', () => {
  it('is kept alive while its last beat is younger than the next one is due', async () => {
    const { clock, pace, beat } = setUp();
    beat('lease');
    const seen: boolean[] = [];
    for (let ms = 0; ms < 3_500; ms += 250) {
      seen.push(await pace.isBeating('lease'));
      clock.jump(250);
    }
    // A beat is due after 750 ms; whole seconds show for certain only after more than one.
    expect(seen.indexOf(false)).toBe(5);
    expect(seen.slice(5)).not.toContain(true);
    beat('lease');
    expect(await pace.isBeating('lease')).toBe(true);
  });
});
