/**
 * Two processes on copies of one journal: one of them stays, at every node the same one, and the
 * other is told.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LoopNode, type LoopPeer } from '../../support/nodes/loop-node.ts';

const original = '2026-01-01T00:00:00.000Z/10/aaaaaaaa';
const copy = '2026-01-01T00:00:05.000Z/11/aaaaaaaa';
const restarted = '2026-01-01T00:00:09.000Z/12/aaaaaaaa';

let node: LoopNode;
beforeEach(async () => {
  node = await LoopNode.started();
});
afterEach(() => node.stop());

function dial(run: string, more: object = {}): Promise<LoopPeer> {
  const hello = { name: 'payment', instance: 'one', roles: ['participant' as const], run, ...more };
  return node.peer(hello);
}

function refusal(peer: LoopPeer): string | null {
  const error = peer.heard.find((message) => message.type === 'error');
  return error?.type === 'error' && error.code === 'JOURNAL_COPIED' ? error.message : null;
}

/**
 * Both dial again whenever they lost their place: true where one of them was refused within ten
 * rounds.
 */
async function circle(
  first: string,
  second: string,
  helloOf: (run: string) => object = () => ({}),
): Promise<Map<string, LoopPeer>> {
  const peers = new Map([[first, await dial(first, helloOf(first))]]);
  peers.set(second, await dial(second, helloOf(second)));
  for (let round = 0; round < 10; round += 1) {
    for (const [run, peer] of peers) {
      if (!peer.isOpen && refusal(peer) === null) peers.set(run, await dial(run, helloOf(run)));
    }
  }
  return peers;
}

describe('two processes with one instance that both come back', () => {
  it.each([
    ['the original first', original, copy],
    ['the copy first', copy, original],
  ])('are told apart, and the one that started first stays: %s', async (_, first, second) => {
    const peers = await circle(first, second);
    expect(peers.get(original)?.isOpen).toBe(true);
    expect(peers.get(copy)?.isOpen).toBe(false);
    const text = refusal(peers.get(copy) as LoopPeer);
    expect(text).toContain(original);
    expect(text).toContain(copy);
    expect(text).toContain('empty data directory');
    expect(node.node.participants.info()).toMatchObject([{ instance: 'one', connections: 1 }]);
  });

  it('the one refused stays out while the original restarts, which is taken at once', async () => {
    const peers = await circle(original, copy);
    peers.get(original)?.drop();
    await node.clock.advance(60_000);
    expect(refusal(await dial(copy))).not.toBeNull();
    const again = await dial(restarted);
    expect(again.isOpen).toBe(true);
    expect(refusal(await dial(copy))).not.toBeNull();
    expect(again.isOpen).toBe(true);
  });

  it('the one refused stays out however long the other is away: it would acknowledge in its name', async () => {
    const peers = await circle(original, copy);
    peers.get(original)?.drop();
    await node.clock.advance(3_600_000);
    expect(refusal(await dial(copy))).not.toBeNull();
    // Nor where no one has met the other.
    const elsewhere = await LoopNode.started({}, { node: 'other' });
    const hello = { name: 'payment', instance: 'one', roles: ['participant' as const] };
    const there = await elsewhere.peer({ ...hello, run: copy, copy: true });
    expect(refusal(there)).toContain('empty data directory');
    await elsewhere.stop();
  });

  it.each([
    ['the original first', original, copy],
    ['the copy first', copy, original],
  ])(
    'the journal says who came after whom, whatever their clocks say: %s',
    async (_, first, second) => {
      // The copy was started on a machine whose clock is behind, twice.
      const behind = '2025-01-01T00:00:00.000Z/11/aaaaaaaa';
      const runs = new Map([
        [original, { run: original, earlierRuns: [] }],
        [copy, { run: behind, earlierRuns: ['2025-01-01T00:00:00.000Z/9/aaaaaaaa', original] }],
      ]);
      const helloOf = (key: string): object => runs.get(key) ?? {};
      const peers = await circle(first, second, helloOf);
      expect(peers.get(original)?.isOpen).toBe(true);
      expect(refusal(peers.get(copy) as LoopPeer)).toContain(behind);
    },
  );

  it('a node that was told by the copy itself need not find out', async () => {
    const served = await dial(restarted);
    expect(refusal(await dial(copy, { copy: true }))).not.toBeNull();
    expect(served.isOpen).toBe(true);
  });
});

describe('what is no copy', () => {
  it('restarts, as often as they come, are taken at once', async () => {
    for (let start = 10; start < 60; start += 1) {
      const peer = await dial(`2026-01-01T00:00:${start}.000Z/1/a`);
      expect(peer.isOpen).toBe(true);
    }
    expect(node.node.participants.info()).toMatchObject([{ instance: 'one', connections: 1 }]);
  });

  it('a restart on a machine whose clock is behind is taken, though a hello of the dead one comes late', async () => {
    await dial(copy);
    await dial(original);
    await dial(copy);
    const again = await dial(original);
    expect(again.isOpen).toBe(true);
  });

  it('one process that dials again and again, by two addresses', async () => {
    for (let n = 0; n < 10; n += 1) expect((await dial(original)).isOpen).toBe(true);
  });

  it('several processes of one shared journal', async () => {
    const peers = await Promise.all([
      dial(original, { process: 'a', sharedResource: 'store' }),
      dial(copy, { process: 'b', sharedResource: 'store' }),
    ]);
    for (let n = 0; n < 5; n += 1) await dial(copy, { process: 'b', sharedResource: 'store' });
    await dial(original, { process: 'a', sharedResource: 'store' });
    expect(peers.every((peer) => refusal(peer) === null)).toBe(true);
    expect(node.node.participants.info()).toMatchObject([{ instance: 'one', connections: 2 }]);
  });
});
