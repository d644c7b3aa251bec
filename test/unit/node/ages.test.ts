/** A term learns how late it is from what happens in it. Operators ask where nothing does. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LoopNode, type LoopPeer } from '../../support/nodes/loop-node.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

let clock: ManualClock;
let node: LoopNode;
let operator: LoopPeer;

beforeEach(async () => {
  clock = new ManualClock();
  node = await LoopNode.started({ transactionTimeoutMs: 60_000 }, { node: 'a', clock });
  operator = await node.peer({ name: 'operator', roles: ['operator'] });
  const client = await node.peer({ name: 'shop', roles: ['client'] });
  const begun = await client.ask<'begun'>({ type: 'begin' });
  if (begun?.type !== 'begun') throw new Error('not begun');
  const { txid } = begun;
  await client.ask({ type: 'lock', txid, keys: ['lamp'], mode: 'exclusive' });
});
afterEach(() => node.stop());

it('the age of a transaction counts while its node is quiet', async () => {
  await clock.advance(900);
  expect(await operator.ask({ type: 'list' })).toMatchObject({ transactions: [{ ageMs: 900 }] });
});

it('so does the time that a lock is held', async () => {
  await clock.advance(900);
  expect(await operator.ask({ type: 'locks' })).toMatchObject({
    locks: [{ holders: [{ forMs: 900 }] }],
  });
});
