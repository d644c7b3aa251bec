/**
 * A transaction belongs to who began it: to all others it does not exist, unless it was handed on.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Begun } from '../../../src/core/messages.ts';
import { maskedTxid, type Txid } from '../../../src/core/txid.ts';
import { LoopNode, type LoopPeer, obedient } from '../../support/nodes/loop-node.ts';

let node: LoopNode;
let alice: LoopPeer;
let mallory: LoopPeer;

beforeEach(async () => {
  node = await LoopNode.started();
  for (const name of ['inventory', 'payment']) {
    await node.peer({ name, roles: ['participant'] }, obedient());
  }
  alice = await node.peer({ name: 'alice', roles: ['client'] });
  mallory = await node.peer({ name: 'mallory', roles: ['client', 'participant'] });
});
afterEach(() => node.stop());

async function begin(peer: LoopPeer, lockKeys: readonly string[] = []): Promise<Begun> {
  const begun = await peer.ask<'begun'>({ type: 'begin', lockGroup: 'shared/stock' });
  if (begun?.type !== 'begun') throw new Error('not begun');
  if (lockKeys.length > 0) {
    const { txid } = begun;
    const locked = await peer.ask({ type: 'lock', txid, keys: lockKeys, mode: 'exclusive' });
    expect(locked?.type).toBe('locked');
  }
  return begun;
}

const all = [
  { type: 'enlist', participant: 'payment' },
  { type: 'lock', keys: ['a'], mode: 'exclusive' },
  { type: 'commit' },
  { type: 'rollback' },
  { type: 'status' },
  { type: 'query', inDoubt: true },
  { type: 'resolve' },
] as const;

describe('a stranger that knows the txid', () => {
  it.each(all)('is answered as if it were not: $type', async (message) => {
    const { txid } = await begin(alice, ['lamp']);
    await alice.ask({ type: 'enlist', txid, participant: 'inventory', payload: { sku: 'lamp' } });
    const reply = await mallory.ask({ ...message, txid } as never);
    expect(reply).toMatchObject({ type: 'error', code: 'UNKNOWN_TRANSACTION' });
    // Nor has anything become of it.
    await alice.ask({ type: 'enlist', txid, participant: 'payment' });
    expect(await alice.ask({ type: 'commit', txid })).toMatchObject({ outcome: 'committed' });
    const after = await mallory.ask({ ...message, txid } as never);
    expect(after).toMatchObject({ type: 'error', code: 'UNKNOWN_TRANSACTION' });
  });

  it('another process under the same name may look, and no more', async () => {
    const { txid } = await begin(alice);
    const other = await node.peer({ name: 'alice', instance: 'alice-2', roles: ['client'] });
    expect(await other.ask({ type: 'commit', txid })).toMatchObject({
      code: 'UNKNOWN_TRANSACTION',
    });
    expect(await other.ask({ type: 'status', txid })).toMatchObject({ state: 'PENDING' });
    const again = await node.peer({ name: 'alice', instance: 'alice-1', roles: ['client'] });
    expect(await again.ask({ type: 'commit', txid })).toMatchObject({ outcome: 'committed' });
  });

  it('a made-up share is none', async () => {
    const { txid } = await begin(alice);
    const { share } = await begin(mallory);
    for (const wrong of [share, 'x', `${share}x`]) {
      expect(await mallory.ask({ type: 'commit', txid, share: wrong })).toMatchObject({
        code: 'UNKNOWN_TRANSACTION',
      });
    }
  });

  it('may take part itself, which is a veto and no more', async () => {
    const { txid } = await begin(alice);
    const enlist = { type: 'enlist', txid, participant: 'mallory' } as const;
    expect(await mallory.ask(enlist)).toMatchObject({ type: 'enlisted' });
    expect(await mallory.ask({ type: 'status', txid })).toMatchObject({ state: 'PENDING' });
    expect(await mallory.ask({ type: 'commit', txid })).toMatchObject({
      code: 'UNKNOWN_TRANSACTION',
    });
    expect(await mallory.ask({ type: 'enlist', txid, participant: 'payment' })).toMatchObject({
      code: 'UNKNOWN_TRANSACTION',
    });
  });
});

describe('handed on', () => {
  it.each(all.slice(0, 5))(
    "by its share it is the other process's as well: $type",
    async (message) => {
      const { txid, share } = await begin(alice, ['lamp']);
      const reply = await mallory.ask({ ...message, txid, share } as never);
      expect(reply?.type).not.toBe('error');
    },
  );

  it('an operator sees all, and may roll back', async () => {
    const { txid } = await begin(alice, ['lamp']);
    const operator = await node.peer({ name: 'operator', roles: ['operator'] });
    expect(await operator.ask({ type: 'status', txid })).toMatchObject({
      locks: [{ key: 'lamp' }],
    });
    expect(await operator.ask({ type: 'rollback', txid })).toMatchObject({ outcome: 'aborted' });
  });
});

describe('whoever competes for a lock', () => {
  it.each([
    ['of another name is told no txid', 'mallory', false],
    ['of the same name is', 'alice', true],
  ])('%s', async (_what, name, told) => {
    const { txid } = await begin(alice, ['lamp']);
    const shown: Txid = told ? txid : maskedTxid(txid);
    const rival = await node.peer({ name, instance: 'rival', roles: ['client'] });
    const waiting = (await begin(rival)).txid;
    const id = 77;
    rival.send({ type: 'lock', id, txid: waiting, keys: ['lamp'], mode: 'exclusive' });
    const status = await rival.ask<'status'>({ type: 'status', txid: waiting });
    expect(status).toMatchObject({ locks: [{ key: 'lamp', waitsFor: [shown] }] });
    const impatient = (await begin(rival)).txid;
    const refusal = await rival.ask<'error'>({
      type: 'lock',
      txid: impatient,
      keys: ['lamp'],
      mode: 'exclusive',
      waitMs: 0,
    });
    expect(refusal).toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(JSON.stringify(rival.heard).includes(txid)).toBe(told);
  });

  it("and is the victim of a deadlock is told of it without the others' txids", async () => {
    const first = await begin(alice, ['lamp']);
    const second = await begin(mallory, ['chair']);
    alice.send({ type: 'lock', id: 88, txid: first.txid, keys: ['chair'], mode: 'exclusive' });
    const lock = { type: 'lock', txid: second.txid, keys: ['lamp'], mode: 'exclusive' } as const;
    expect(await mallory.ask(lock)).toMatchObject({ code: 'DEADLOCK' });
    const outcome = await mallory.ask<'outcome'>({ type: 'commit', txid: second.txid });
    expect(outcome).toMatchObject({
      reason: {
        code: 'DEADLOCK',
        detail: {
          cycle: expect.arrayContaining([
            { txid: maskedTxid(first.txid), waitsFor: 'chair' },
            { txid: second.txid, waitsFor: 'lamp' },
          ]),
        },
      },
    });
    expect(JSON.stringify(mallory.heard)).not.toContain(first.txid);
  });
});

describe('of what only the log remembers', () => {
  it('a stranger is told the outcome alone', async () => {
    const second = await LoopNode.started(
      {},
      { node: 'second', store: node.store, clock: node.clock },
    );
    const { txid, share } = await begin(alice);
    for (const participant of ['inventory', 'payment']) {
      await alice.ask({ type: 'enlist', txid, participant });
    }
    await alice.ask({ type: 'commit', txid });
    const stranger = await second.peer({ name: 'mallory', roles: ['client'] });
    const bare = await stranger.ask<'status'>({ type: 'status', txid });
    expect(bare).toMatchObject({ state: expect.stringMatching(/^COMMITT/), branches: [] });
    const payment = await second.peer({ name: 'payment', roles: ['participant'] });
    for (const asker of [{ peer: stranger, share }, { peer: payment }]) {
      const { peer, ...more } = asker;
      const whole = await peer.ask<'status'>({ type: 'status', txid, ...more });
      expect(whole).toMatchObject({ type: 'status' });
    }
    await second.stop();
  });
});
