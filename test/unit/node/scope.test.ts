/**
 * Request ids and lock groups are a client name's own: who is called otherwise neither sees nor
 * takes them.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ListReply, LocksReply } from '../../../src/core/messages.ts';
import { requestShard } from '../../../src/core/request-shard.ts';
import { scoped, unscoped } from '../../../src/core/scope.ts';
import { maxNameBytes } from '../../../src/wire/limits.ts';
import { LoopNode, type LoopPeer, obedient } from '../../support/nodes/loop-node.ts';

const requestId = 'order-1';
let node: LoopNode;
let inventory: LoopPeer;

beforeEach(async () => {
  node = await LoopNode.started();
  inventory = await node.peer({ name: 'inventory', roles: ['participant'] }, obedient());
});
afterEach(async () => {
  await node.stop();
  expect(node.faults).toEqual([]);
});

function client(name: string, instance = `${name}-1`): Promise<LoopPeer> {
  return node.peer({ name, instance, roles: ['client'] });
}

const order = (peer: LoopPeer, payload: unknown = { sku: 'lamp' }, more: object = {}) =>
  peer.ask<'outcome'>({
    type: 'transact',
    requestId,
    branches: [{ participant: 'inventory', payload }],
    ...more,
  });

const prepares = (): number => inventory.heard.filter(({ type }) => type === 'prepare').length;

describe('a request id', () => {
  it('is one commit in two processes of one name, and another one under another name', async () => {
    const first = await order(await client('shop'));
    const again = await order(await client('shop', 'shop-2'));
    expect(first).toMatchObject({ outcome: 'committed' });
    expect(again).toMatchObject({ outcome: 'committed', txid: first?.txid });
    expect(prepares()).toBe(1);
    const other = await order(await client('desk'));
    expect(other).toMatchObject({ outcome: 'committed' });
    expect(other?.txid).not.toBe(first?.txid);
    expect(prepares()).toBe(2);
  });

  it('cannot be taken from whom it belongs to, nor be probed', async () => {
    const stranger = await client('mallory');
    expect(await order(stranger, 'anything')).toMatchObject({ outcome: 'committed' });
    const own = await client('shop');
    expect(await order(own)).toMatchObject({ outcome: 'committed' });
    expect(await order(stranger, 'anything')).toMatchObject({ outcome: 'committed' });
    expect(await order(own, 'else')).toMatchObject({ code: 'REQUEST_CONFLICT' });
  });

  it('is what the log keeps apart too: after a restart, and past the window', async () => {
    const own = await client('shop');
    const first = await order(own);
    await node.stop();
    node = await LoopNode.started({}, { node: 'loop', store: node.store, clock: node.clock });
    inventory = await node.peer({ name: 'inventory', roles: ['participant'] }, obedient());
    const late = { attempt: 2, requestAgeMs: 200_000 };
    expect(await order(await client('desk'), undefined, late)).toMatchObject({ code: 'EXPIRED' });
    const told = await order(await client('shop'), { sku: 'lamp' }, late);
    expect(told).toMatchObject({ code: 'ALREADY_COMMITTED', txid: first?.txid });
    const again = await order(await client('shop'), { sku: 'lamp' }, { attempt: 2 });
    expect(again).toMatchObject({ outcome: 'committed', txid: first?.txid });
    expect(await order(await client('desk'))).toMatchObject({ outcome: 'committed' });
  });

  it('is told as its client gave it: in a status, in a list, and from the log', async () => {
    const own = await client('shop');
    const first = await order(own);
    const { txid } = first as { txid: string };
    const status = { type: 'status', txid } as never;
    expect(await own.ask(status)).toMatchObject({ requestId });
    const operator = await node.peer({ name: 'operator', roles: ['operator'] });
    expect(await operator.ask({ type: 'list' })).toMatchObject({ transactions: [{ requestId }] });
    await node.stop();
    node = await LoopNode.started({}, { node: 'loop', store: node.store, clock: node.clock });
    const later = await node.peer({ name: 'operator', roles: ['operator'] });
    expect(await later.ask(status)).toMatchObject({ txid, requestId });
  });

  it.each(['x', '"', '\\', '\u{1f600}'])(
    'and its name may be as long as they may: %s',
    async (text) => {
      const long = text.repeat(maxNameBytes / Buffer.byteLength(text));
      const own = await client(long, 'instance');
      const request = { requestId: long };
      const first = await order(own, {}, request);
      expect(first).toMatchObject({ outcome: 'committed' });
      expect(await order(own, {}, request)).toMatchObject({ txid: first?.txid });
      const status = { type: 'status', txid: first?.txid } as never;
      expect(await own.ask(status)).toMatchObject({ requestId: long });
    },
  );
});

describe('a lock group', () => {
  /** Begins, locks `lamp`, and says whether it got it. */
  async function locks(
    peer: LoopPeer,
    begin: { readonly lockGroup?: string } = {},
  ): Promise<boolean> {
    const begun = await peer.ask<'begun'>({ type: 'begin', ...begin });
    if (begun?.type !== 'begun') throw new Error('not begun');
    const lock = { type: 'lock', txid: begun.txid, keys: ['lamp'], mode: 'exclusive', waitMs: 0 };
    return (await peer.ask(lock as never))?.type === 'locked';
  }

  it.each([undefined, 'default', 'stock'])("is its client name's own: %s", async (lockGroup) => {
    const given = lockGroup === undefined ? {} : { lockGroup };
    expect(await locks(await client('shop'), given)).toBe(true);
    expect(await locks(await client('desk'), given)).toBe(true);
    expect(await locks(await client('shop', 'shop-2'), given)).toBe(false);
  });

  it('that is named for all keeps out clients of any name', async () => {
    const lockGroup = 'shared/stock';
    expect(await locks(await client('shop'), { lockGroup })).toBe(true);
    expect(await locks(await client('desk'), { lockGroup })).toBe(false);
    expect(await locks(await client('desk'), { lockGroup: 'shared/stocks' })).toBe(true);
    expect(await locks(await client('desk'), { lockGroup: 'stock' })).toBe(true);
  });

  it('of a one-shot is the one that an interactive transaction locks in', async () => {
    for (const lockGroup of [undefined, 'stock', 'shared/stock']) {
      const given = lockGroup === undefined ? {} : { lockGroup };
      expect(await locks(await client('shop'), given)).toBe(true);
      const id = lockGroup ?? 'default';
      const more = { ...given, requestId: id, locks: [{ keys: ['lamp'] }], lockWaitMs: 0 };
      const [own, other] = [await client('shop', 'shop-2'), await client('desk')];
      expect(await order(own, {}, more)).toMatchObject({ reason: { code: 'LOCK_TIMEOUT' } });
      const outcome = lockGroup === 'shared/stock' ? 'aborted' : 'committed';
      expect(await order(other, {}, more)).toMatchObject({ outcome });
    }
  });

  it('is told as it was named, to operators with its owner', async () => {
    const own = await client('shop');
    await locks(own, { lockGroup: 'stock' });
    await locks(own, { lockGroup: 'shared/stock' });
    await locks(await client('desk'), { lockGroup: 'stock' });
    const operator = await node.peer({ name: 'operator', roles: ['operator'] });
    const reply = await operator.ask<'locks'>({ type: 'locks', group: 'stock' });
    const listed = (reply as LocksReply).locks;
    expect(listed.map(({ group, client: of }) => [group, of]).sort()).toEqual([
      ['stock', 'desk'],
      ['stock', 'shop'],
    ]);
    const all = await operator.ask<'locks'>({ type: 'locks', group: 'shared/stock' });
    expect(all).toMatchObject({ locks: [{ group: 'shared/stock', key: 'lamp' }] });
    expect(JSON.stringify(all)).not.toContain('"client"');
    const list = await operator.ask<'list'>({ type: 'list', state: 'PENDING' });
    const groups = (list as ListReply).transactions;
    expect(groups).toHaveLength(3);
    for (const { txid } of groups) {
      const status = await operator.ask<'status'>({ type: 'status', txid } as never);
      expect(status).toMatchObject({ lockGroup: expect.stringMatching(/^(shared\/)?stock$/) });
    }
  });
});

describe('the scoped text', () => {
  it('differs for different pairs, and gives the id back', () => {
    const parts = ['a', 'a/', '/a', 'a/a', '%', '', '"', 'b'];
    const pairs = parts.flatMap((client) => parts.map((id) => [client, id] as const));
    expect(new Set(pairs.map(([client, id]) => scoped(client, id))).size).toBe(pairs.length);
    for (const [client, id] of pairs) expect(unscoped(scoped(client, id))).toBe(id);
  });

  it('is what the shard is taken of', () => {
    const shards = new Set(
      Array.from({ length: 64 }, (_, index) => requestShard(scoped(`c${index}`, requestId), 8)),
    );
    expect(shards.size).toBe(8);
  });
});
