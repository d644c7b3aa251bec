/** TLS handshakes take turns: none of them, nor all of them together, keep others waiting. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Handshake, HandshakeQueue } from '../../../src/transport/tls/handshake-queue.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

class Rig {
  readonly clock = new ManualClock();
  readonly queue = new HandshakeQueue(this.clock);
  readonly begun: string[] = [];
  readonly ended: string[] = [];

  enter(address: string, count = 1): Handshake[] {
    return Array.from({ length: count }, () => {
      const handshake: Handshake = {
        address,
        begin: () => this.begun.push(address),
        end: () => {
          this.ended.push(address);
          this.queue.left(handshake);
        },
      };
      this.queue.enter(handshake);
      return handshake;
    });
  }

  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn += 1) await nextTurn();
  }
}

describe('handshakes', () => {
  it('begin one in a turn, however many come at once', async () => {
    const rig = new Rig();
    rig.enter('a', 500);
    expect(rig.begun).toHaveLength(0);
    let before = 0;
    for (let turn = 0; turn < 20; turn += 1) {
      await rig.turns(1);
      expect(rig.begun.length - before).toBeLessThanOrEqual(1);
      before = rig.begun.length;
    }
    expect(before).toBeGreaterThanOrEqual(10);
  });

  it('take turns by address', async () => {
    const rig = new Rig();
    rig.enter('flood', 500);
    rig.enter('b');
    rig.enter('c');
    await rig.turns(8);
    expect(rig.begun.slice(0, 4)).toContain('b');
    expect(rig.begun.slice(0, 4)).toContain('c');
  });

  it('are bounded for an address, which keeps no other one out', async () => {
    const rig = new Rig();
    const all = rig.enter('flood', 500);
    await rig.turns(600);
    expect(rig.begun).toHaveLength(256);
    rig.enter('b');
    await rig.turns(4);
    expect(rig.begun.at(-1)).toBe('b');
    rig.queue.left(all[0] as Handshake);
    await rig.turns(4);
    expect(rig.begun).toHaveLength(258);
  });

  it('are bounded in all', async () => {
    const rig = new Rig();
    for (let each = 0; each < 8; each += 1) rig.enter(`a${each}`, 200);
    await rig.turns(2_000);
    expect(rig.begun).toHaveLength(1_024);
  });

  it('that are slow give way where others wait, and else are let be', async () => {
    const rig = new Rig();
    rig.enter('flood', 256);
    await rig.turns(400);
    await rig.clock.advance(60_000);
    expect(rig.ended).toHaveLength(0);
    rig.enter('flood');
    await rig.turns(6);
    expect(rig.ended).toHaveLength(1);
    expect(rig.begun).toHaveLength(257);
  });

  it('that are not yet slow are waited for', async () => {
    const rig = new Rig();
    rig.enter('flood', 257);
    await rig.turns(400);
    await rig.clock.advance(999);
    await rig.turns(4);
    expect(rig.ended).toHaveLength(0);
    await rig.clock.advance(1);
    await rig.turns(6);
    expect(rig.ended).toHaveLength(1);
    expect(rig.begun).toHaveLength(257);
  });

  it('whose peer has gone are not begun', async () => {
    const rig = new Rig();
    const [first] = rig.enter('a', 2);
    rig.queue.left(first as Handshake);
    await rig.turns(6);
    expect(rig.begun).toHaveLength(1);
  });
});
