import { describe, expect, it } from 'vitest';
import { Heartbeat } from '../../../src/transport/websocket/heartbeat.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

function setUp(): { clock: ManualClock; beat: Heartbeat; pings: Buffer[]; silent: () => number } {
  const clock = new ManualClock(0);
  const pings: Buffer[] = [];
  let silent = 0;
  const beat = new Heartbeat({
    clock,
    intervalMs: 100,
    ping: (token) => pings.push(token),
    silent: () => {
      silent += 1;
    },
  });
  return { clock, beat, pings, silent: () => silent };
}

describe('Heartbeat', () => {
  it('calls a peer silent that answers none of two pings, and stops', async () => {
    const { clock, pings, silent } = setUp();
    await clock.advance(299);
    expect([pings.length, silent()]).toEqual([2, 0]);
    await clock.advance(1);
    expect(silent()).toBe(1);
    await clock.advance(1_000);
    expect([pings.length, silent(), clock.timers]).toEqual([2, 1, 0]);
  });

  it('keeps up with a peer that beats more often, never slows down for one, and stays stopped', async () => {
    const { clock, beat, pings, silent } = setUp();
    beat.keepUpWith(500);
    await clock.advance(100);
    expect(pings.length).toBe(1);
    beat.answered(pings[0] as Buffer);
    beat.keepUpWith(10);
    await clock.advance(30);
    expect([pings.length, silent(), clock.timers]).toEqual([3, 1, 0]);
    beat.stop();
    beat.keepUpWith(5);
    expect(clock.timers).toBe(0);
  });

  it('goes on while one of every two pings is answered, and tells when the answered one was sent', async () => {
    const { clock, beat, pings, silent } = setUp();
    await clock.advance(50);
    expect(beat.answeredAgeMs()).toBe(50);
    await clock.advance(50);
    for (let round = 1; round <= 10; round += 1) {
      await clock.advance(150);
      beat.answered(pings.at(-1) as Buffer);
      expect(beat.answeredAgeMs()).toBe(50);
      await clock.advance(50);
    }
    expect(silent()).toBe(0);
  });

  it('takes no pong that answers nothing outstanding', async () => {
    const { clock, beat, pings } = setUp();
    await clock.advance(100);
    beat.answered(Buffer.from([0, 0, 0, 2]));
    beat.answered(Buffer.from('hello'));
    beat.answered(Buffer.alloc(0));
    expect(beat.answeredAgeMs()).toBe(100);
    beat.answered(pings[0] as Buffer);
    await clock.advance(100);
    beat.answered(pings[0] as Buffer);
    expect(beat.answeredAgeMs()).toBe(100);
  });

  it('counts the sleep of the machine: what lay in a buffer meanwhile is as old', async () => {
    const { clock, beat, pings } = setUp();
    await clock.advance(100);
    beat.answered(pings[0] as Buffer);
    clock.setWall(3_600_000);
    expect(beat.answeredAgeMs()).toBe(0);
    clock.sleep(600_000);
    expect(beat.answeredAgeMs()).toBe(600_000);
  });

  it("does not blame the peer for this process's own pause", async () => {
    const { clock, beat, pings, silent } = setUp();
    await clock.advance(200);
    clock.jump(60_000);
    await clock.advance(0);
    expect(silent()).toBe(0);
    beat.answered(pings.at(-1) as Buffer);
    await clock.advance(200);
    expect(silent()).toBe(0);
  });
});
