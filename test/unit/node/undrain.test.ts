/** An operator who drains a node and thinks better of it, before it has handed anything over. */
import { afterEach, expect, it } from 'vitest';
import { LoopNode, type LoopPeer } from '../../support/nodes/loop-node.ts';
import { settle } from '../../support/samples/manual-clock.ts';

const drainDelayMs = 5_000;

let loop: LoopNode | null = null;
afterEach(async () => {
  await loop?.stop();
  loop = null;
});

async function draining(): Promise<{ loop: LoopNode; alice: LoopPeer; bob: LoopPeer }> {
  loop = await LoopNode.started({ drainDelayMs, drainMs: 0 });
  const alice = await loop.peer({ name: 'alice', roles: ['operator'] });
  const bob = await loop.peer({ name: 'bob', roles: ['operator'] });
  expect(await alice.ask({ type: 'drain' })).toBeNull();
  expect(loop.node.ready).toBe(false);
  return { loop, alice, bob };
}

it('a node that is undrained while it goes on for the load balancer stays undrained', async () => {
  const { loop, alice, bob } = await draining();
  expect(await bob.ask({ type: 'undrain' })).toMatchObject({ type: 'undrained' });
  await loop.clock.advance(drainDelayMs);
  await settle();
  expect(alice.answer(1)).toMatchObject({
    type: 'drained',
    shards: [{ shard: 0, to: null, why: expect.stringContaining('undrain') }],
  });
  expect(loop.node.leading.drained).toBe(false);
  expect(loop.node.ready).toBe(true);
});

it('one that is drained again goes on for as long as the second drain says', async () => {
  const { loop, alice, bob } = await draining();
  await bob.ask({ type: 'undrain' });
  await loop.clock.advance(drainDelayMs / 2);
  expect(await bob.ask({ type: 'drain' })).toBeNull();
  await loop.clock.advance(drainDelayMs / 2);
  await settle();
  expect(alice.answer(1)).toMatchObject({ shards: [{ why: expect.stringContaining('undrain') }] });
  expect(bob.answer(2)).toBeNull();
  expect(loop.node.leading.drained).toBe(true);
  await loop.clock.advance(drainDelayMs / 2);
  await settle();
  expect(bob.answer(2)).toMatchObject({ type: 'drained' });
});
