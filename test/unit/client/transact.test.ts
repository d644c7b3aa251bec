import { describe, expect, it } from 'vitest';
import type { TransactRequest } from '../../../src/client.ts';
import { scopedLockGroup } from '../../../src/core/locks/names.ts';
import type { FromNode } from '../../../src/core/messages.ts';
import { requestShard } from '../../../src/core/request-shard.ts';
import { scoped } from '../../../src/core/scope.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { ScriptedNode } from '../../support/nodes/scripted-node.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { epochOfRevision, leaderInfo, txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);
const branches = [{ participant: 'inventory', payload: { take: 1 } }];
const plain: TransactRequest = { branches };
const keyed: TransactRequest = { branches, requestId: 'order-1' };
const committed = {
  type: 'outcome',
  txid,
  outcome: 'committed',
  results: { inventory: 7 },
} as const;
const aborted = {
  type: 'outcome',
  txid,
  outcome: 'aborted',
  results: null,
  reason: { code: 'CONFLICT', message: 'stale', retryable: true },
} as const;
const statusIn = (state: 'PENDING' | 'READY' | 'COMMITTING' | 'ABORTED') =>
  ({ type: 'status', txid, state, attention: false, branches: [], ageMs: 1 }) as const;
const begun = { type: 'begun', txid, timeoutMs: 10_000, share: 'share-1' } as const;

/** Two nodes of which `a` leads under revision 1. */
function pair(): readonly [ScriptedNode, ScriptedNode] {
  const leaders = [leaderInfo('a')];
  return [new ScriptedNode('a', { leaders }), new ScriptedNode('b', { leaders })];
}

/** The node takes over under revision 2, whatever the others do. */
function takeOver(node: ScriptedNode): void {
  node.leaders = [leaderInfo(node.name, { revision: 2 })];
  const topology: FromNode = { type: 'topology', leaders: node.leaders, nodes: [] };
  node.tell(topology);
}

describe('any transact', () => {
  it('is one round trip, and an abort is a result', async () => {
    const { client, node, clock } = await connectedClient(undefined, {
      defaults: { timeoutMs: 3_000, labels: { shop: 'x' } },
    });
    const first = client.transact<{ inventory: number }>(plain);
    const one = await node.next('transact');
    expect(one.message).toMatchObject({
      branches,
      timeoutMs: 3_000,
      labels: { shop: 'x' },
      epoch: epochOfRevision(1),
    });
    one.reply({ ...committed, readonly: true });
    expect(await first).toEqual({
      outcome: 'committed',
      txid,
      readonly: true,
      results: { inventory: 7 },
      attempt: 1,
    });
    const second = client.transact({ ...plain, timeoutMs: 1 });
    const two = await node.next('transact');
    expect(two.message.timeoutMs).toBe(1);
    two.reply(aborted);
    expect(await second).toEqual({ outcome: 'aborted', txid, reason: aborted.reason, attempt: 1 });
    await client.close();
    expect(clock.timers).toBe(0);
  });

  it('ends within its call, so that an abort is heard of; under an id it goes on', async () => {
    const { client, node } = await connectedClient();
    const once = client.transact(plain, { timeoutMs: 4_000 });
    const one = await node.next('transact');
    expect(one.message.timeoutMs).toBe(3_600);
    one.reply(aborted);
    await once;
    const shorter = client.transact({ ...plain, timeoutMs: 500 }, { timeoutMs: 4_000 });
    const two = await node.next('transact');
    expect(two.message.timeoutMs).toBe(500);
    two.reply(aborted);
    await shorter;
    const named = client.transact(keyed, { timeoutMs: 4_000 });
    const three = await node.next('transact');
    expect(three.message.timeoutMs).toBe(undefined);
    three.reply(committed);
    await named;
    await client.close();
  });

  it('given up before anything was sent is a plain error', async () => {
    const { client, node, clock } = await connectedClient();
    await expect(client.transact(keyed, { signal: AbortSignal.abort('no') })).rejects.toMatchObject(
      { code: 'ABORTED_BY_CALLER', cause: 'no', acted: 'nothing' },
    );
    await expect(client.transact(plain, { timeoutMs: 0 })).rejects.toMatchObject({
      code: 'TIMEOUT',
    });
    node.kill();
    const late = watch(client.transact(keyed, { timeoutMs: 100 }));
    await clock.advance(100);
    expect(late.error()).toMatchObject({ name: 'VerdictError', code: 'TIMEOUT', acted: 'nothing' });
    await client.close();
  });

  it('passes on what a node refuses for good', async () => {
    const { client, node } = await connectedClient();
    for (const code of ['REQUEST_CONFLICT', 'TOO_LARGE', 'LIMIT_EXCEEDED', 'FORBIDDEN'] as const) {
      for (const request of [plain, keyed]) {
        const call = client.transact(request);
        (await node.next('transact')).fail(code);
        await expect(call).rejects.toMatchObject({ name: 'VerdictError', code, acted: 'nothing' });
      }
    }
    const old = client.transact(keyed);
    (await node.next('transact')).fail('EXPIRED');
    await expect(old).rejects.toMatchObject({ name: 'VerdictError', code: 'EXPIRED' });
    expect(node.all).toHaveLength(9);
    await client.close();
  });

  it('takes for the outcome what had committed before a request that came too late', async () => {
    const { client, node } = await connectedClient();
    const call = client.transact(keyed);
    (await node.next('transact')).fail('ALREADY_COMMITTED', { txid });
    expect(await call).toEqual({
      outcome: 'committed',
      txid,
      readonly: false,
      results: null,
      repeated: true,
      attempt: 1,
    });
    await client.close();
  });

  it('goes to the leader that a NOT_LEADER names, at once', async () => {
    const [a, b] = pair();
    const { client } = await connectedClient([a, b]);
    const call = client.transact(keyed);
    b.leaders = [leaderInfo('b', { revision: 9 })];
    (await a.next('transact')).fail('NOT_LEADER', { leader: b.leaders[0] ?? null });
    const again = await b.next('transact');
    expect(again.message).toMatchObject({ epoch: epochOfRevision(9), attempt: 2 });
    again.reply(committed);
    expect((await call).outcome).toBe('committed');
    await client.close();
  });

  it('is sent again where a node refused it and told, in one go, that it leads', async () => {
    const [a, b] = pair();
    const { client, clock } = await connectedClient([a, b]);
    const calls = [client.transact(keyed), client.transact({ ...keyed, requestId: 'order-2' })];
    // By another's word `b` leads; it has not taken its leadership up yet.
    const leader = leaderInfo('b', { revision: 2 });
    for (const _ of calls) (await a.next('transact')).fail('NOT_LEADER', { leader });
    await clock.advance(20);
    const refused = [await b.next('transact'), await b.next('transact')];
    // No turn between them: the client reads all of it before any of its calls goes on.
    for (const each of refused) each.fail('NOT_LEADER', { leader: null });
    takeOver(b);
    await clock.advance(1_000);
    for (const _ of calls) (await b.next('transact')).reply(committed);
    for (const call of calls) expect((await call).outcome).toBe('committed');
    await client.close();
  });

  it('takes the refusal of an earlier leadership for no end of the present one', async () => {
    const [a, b] = pair();
    const { client, clock } = await connectedClient([a, b]);
    const first = client.transact(keyed);
    const late = await a.next('transact');
    // The same node leads again, and reads what became of the old one's transactions.
    takeOver(a);
    late.fail('NOT_LEADER');
    await clock.advance(1_000);
    (await a.next('transact')).reply(committed);
    expect((await first).outcome).toBe('committed');
    await client.close();
  });

  it('goes to the shard of its requestId, and without one to any', async () => {
    const leaders = [leaderInfo('a'), leaderInfo('b', { shard: 1 })];
    const nodes = [new ScriptedNode('a', { leaders }), new ScriptedNode('b', { leaders })] as const;
    const { client } = await connectedClient(nodes);
    const ids = Array.from({ length: 20 }, (_, n) => `order-${n}`);
    for (const requestId of ids) {
      const call = client.transact({ ...keyed, requestId });
      (await nodes[requestShard(scoped('client', requestId), 2) as 0 | 1].next('transact')).reply(
        committed,
      );
      await call;
    }
    for (let n = 0; n < 20; n += 1) {
      const call = client.transact(plain);
      const node = (await nodes[0].waiting()) > 0 ? nodes[0] : nodes[1];
      (await node.next('transact')).reply(committed);
      await call;
    }
    for (const node of nodes) expect(node.all.length).toBeGreaterThan(8);
    await client.close();
  });
});

describe('transact with locks', () => {
  const locks = [{ keys: ['lamp'] }, { keys: ['prices'], mode: 'shared' }] as const;

  it('goes to the shard of its lock group, whatever its requestId', async () => {
    const leaders = [leaderInfo('a'), leaderInfo('b', { shard: 1 })];
    const nodes = [new ScriptedNode('a', { leaders }), new ScriptedNode('b', { leaders })] as const;
    const { client } = await connectedClient(nodes);
    for (let n = 0; n < 20; n += 1) {
      const lockGroup = n < 8 ? undefined : `${n < 14 ? '' : 'shared/'}group-${n}`;
      const shard = requestShard(scopedLockGroup('client', lockGroup), 2);
      const request = n % 2 === 0 ? plain : { ...keyed, requestId: `order-${n}` };
      const call = client.transact({ ...request, locks, lockWaitMs: 70, lockGroup });
      const received = await nodes[shard as 0 | 1].next('transact');
      expect(received.message).toMatchObject({ locks, lockWaitMs: 70 });
      expect(received.message.lockGroup).toBe(lockGroup);
      received.reply(committed);
      await call;
    }
    await client.close();
  });

  it('is not sent to a node that knows no locks, and would run it without them', async () => {
    const node = new ScriptedNode('a');
    node.limits = {
      maxFrameBytes: 1_048_576,
      maxDepth: 32,
      maxBranches: 128,
      maxRecordBytes: 16_384,
      maxTimeoutMs: 300_000,
    };
    const { client } = await connectedClient([node]);
    for (const request of [plain, keyed]) {
      await expect(client.transact({ ...request, locks })).rejects.toMatchObject({
        code: 'UNSUPPORTED_VERSION',
        acted: 'nothing',
      });
    }
    expect(await node.waiting()).toBe(0);
    await client.close();
  });
});

describe('transact with a requestId', () => {
  it.each([
    ['that tells so', true],
    ['whose wall clock alone tells', false],
  ])('is as old as it is after a sleep of the machine %s', async (_which, tells) => {
    const { client, node, clock } = await connectedClient();
    if (!tells) Reflect.set(clock, 'bootMs', undefined);
    const call = client.transact({ ...keyed, requestAgeMs: 500 });
    const first = await node.next('transact');
    clock.sleep(3_600_000);
    // Set back on waking, as a time server might: that makes nothing younger where the machine
    // tells its sleep.
    if (tells) clock.setWall(-7_200_000);
    first.connection.drop();
    await clock.advance(60);
    const second = await node.next('transact');
    expect(second.message.requestAgeMs).toBeGreaterThanOrEqual(3_600_500);
    second.reply(committed);
    await call;
    await client.close();
  });

  it('grows older while it waits for a leader, where it was sent before this call', async () => {
    const { client, node, clock } = await connectedClient();
    const first = client.transact(keyed);
    (await node.next('transact')).connection.drop();
    const again = client.transact({ ...keyed, requestId: 'order-2', requestAgeMs: 500 });
    const anew = client.transact({ ...keyed, requestId: 'order-3' });
    clock.sleep(3_600_000);
    await clock.advance(60);
    const ages = new Map<unknown, number>();
    for (const _call of [first, again, anew]) {
      const sent = await node.next('transact');
      ages.set(sent.message.requestId, sent.message.requestAgeMs ?? 0);
      sent.reply(committed);
    }
    await Promise.all([first, again, anew]);
    expect(ages.get('order-1')).toBeGreaterThanOrEqual(3_600_000);
    expect(ages.get('order-2')).toBeGreaterThanOrEqual(3_600_500);
    expect(ages.get('order-3')).toBeLessThan(1_000);
    await client.close();
  });

  it('is sent again under the same epoch with the same attempt, growing older', async () => {
    const { client, node, clock } = await connectedClient();
    const call = client.transact(keyed);
    const first = await node.next('transact');
    expect(first.message).toMatchObject({ requestId: 'order-1', requestAgeMs: 0, attempt: 1 });
    expect(first.message.announce).toBeUndefined();
    await clock.advance(100);
    first.connection.drop();
    await clock.advance(60);
    const second = await node.next('transact');
    expect(second.message).toMatchObject({ attempt: 1, epoch: first.message.epoch });
    expect(second.message.requestAgeMs).toBeGreaterThanOrEqual(125);
    expect(second.message.requestAgeMs).toBeLessThanOrEqual(160);
    for (const code of ['BUSY', 'LOG_UNAVAILABLE', 'OUTCOME_UNKNOWN'] as const) {
      const before = node.all.length;
      const last = code === 'BUSY' ? second : await node.next('transact');
      last.fail(code, code === 'BUSY' ? { retryAfterMs: 300 } : {});
      if (code === 'BUSY') {
        await clock.advance(299);
        expect(node.all).toHaveLength(before);
        await clock.advance(300);
      }
      await clock.advance(100);
    }
    const fifth = await node.next('transact');
    expect(fifth.message.attempt).toBe(1);
    fifth.reply(committed);
    expect(await call).toMatchObject({ outcome: 'committed', attempt: 1 });
    await client.close();
    expect(clock.timers).toBe(0);
  });

  it('raises the attempt under another epoch, and takes no answer to an older one', async () => {
    const [a, b] = pair();
    const { client, clock } = await connectedClient([a, b]);
    const call = watch(client.transact(keyed));
    const old = await a.next('transact');
    a.kill();
    await settle();
    takeOver(b);
    await clock.advance(50);
    const anew = await b.next('transact');
    expect(anew.message).toMatchObject({ attempt: 2, epoch: epochOfRevision(2) });
    // The deposed leader's last words, too late.
    old.reply(aborted);
    await settle();
    expect(call.state()).toBe('waiting');
    anew.reply(committed);
    await settle();
    expect(call.value()).toMatchObject({ outcome: 'committed', attempt: 2 });
    await client.close();
  });

  it('goes to the new leader when the old one stands still, as another node tells', async () => {
    const [a, b] = pair();
    const { client, clock } = await connectedClient([a, b]);
    const outcome = client.transact(keyed);
    expect((await a.next('transact')).message).toMatchObject({ attempt: 1 });
    takeOver(b);
    await clock.advance(300);
    const again = await b.next('transact');
    expect(again.message).toMatchObject({ attempt: 2, epoch: epochOfRevision(2) });
    again.reply(committed);
    expect(await outcome).toMatchObject({ outcome: 'committed', attempt: 2 });
    expect(await a.waiting()).toBe(0);
  });

  it('counts on from the attempt and the age that the caller gives', async () => {
    const { client, node, clock } = await connectedClient();
    const call = client.transact({ ...keyed, attempt: 3, requestAgeMs: 5_000 });
    const first = await node.next('transact');
    expect(first.message).toMatchObject({ attempt: 3, requestAgeMs: 5_000 });
    node.leaders = [leaderInfo('a', { revision: 2 })];
    first.connection.drop();
    await clock.advance(60);
    const second = await node.next('transact');
    expect(second.message.attempt).toBe(4);
    expect(second.message.requestAgeMs).toBeGreaterThan(5_000);
    second.reply(aborted);
    expect(await call).toMatchObject({ outcome: 'aborted', attempt: 4 });
    await client.close();
  });

  it('whose fate stays unknown until the end is an OutcomeUnknownError, also when refused later', async () => {
    const { client, node, clock } = await connectedClient();
    const silent = watch(client.transact(keyed, { timeoutMs: 300 }));
    await node.next('transact');
    await clock.advance(300);
    expect(silent.error()).toMatchObject({
      name: 'OutcomeUnknownError',
      code: 'OUTCOME_UNKNOWN',
      retryable: true,
      requestId: keyed.requestId,
    });

    const lost = watch(client.transact(keyed));
    (await node.next('transact')).fail('OUTCOME_UNKNOWN', { txid });
    await clock.advance(50);
    (await node.next('transact')).fail('LIMIT_EXCEEDED');
    await settle();
    expect(lost.error()).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      txid,
      cause: { code: 'LIMIT_EXCEEDED' },
    });

    const refusedOnly = watch(client.transact(keyed, { timeoutMs: 200 }));
    (await node.next('transact')).fail('BUSY', { retryAfterMs: 1_000 });
    await settle();
    expect(refusedOnly.error()).toMatchObject({ code: 'BUSY', retryAfterMs: 1_000 });
    expect(clock.timers).toBe(0);
    await client.close();
  });

  it('given up in flight says that nothing is undone', async () => {
    const { client, node } = await connectedClient();
    const controller = new AbortController();
    const call = client.transact(keyed, { signal: controller.signal });
    await node.next('transact');
    const reason = new Error('the user left');
    controller.abort(reason);
    await expect(call).rejects.toMatchObject({ name: 'OutcomeUnknownError', cause: reason });
    await client.close();
  });
});

describe('a node that is busy', () => {
  it('is left alone for as long as it asks, and then not by all at one moment', async () => {
    const { client, node, clock } = await connectedClient();
    const calls = Array.from({ length: 200 }, () => client.transact(plain));
    for (const _ of calls) (await node.next('transact')).fail('BUSY', { retryAfterMs: 1_000 });
    await clock.advance(1_000);
    expect(await node.waiting()).toBe(0);
    const came: number[] = [];
    for (let tenth = 0; tenth < 11; tenth += 1) {
      await clock.advance(100);
      came.push(await node.waiting());
      for (let left = came.at(-1) ?? 0; left > 0; left -= 1) {
        (await node.next('transact')).reply({ ...committed, results: null });
      }
    }
    expect(came.reduce((sum, each) => sum + each)).toBe(200);
    // Of 200 in ten parts, 20 each: no part has all, and few have none.
    expect(Math.max(...came)).toBeLessThan(50);
    expect(came.filter((each) => each > 5).length).toBeGreaterThanOrEqual(8);
    await Promise.all(calls);
    await client.close();
  });

  it('is asked again until half of the time is over: what got in later might end unknown', async () => {
    const { client, node, clock } = await connectedClient();
    const call = watch(client.transact(plain, { timeoutMs: 4_000 }));
    let asked = 0;
    while (call.state() === 'waiting' && asked < 100) {
      if ((await node.waiting()) > 0) {
        asked += 1;
        (await node.next('transact')).fail('BUSY', { retryAfterMs: 200 });
      }
      await clock.advance(10);
    }
    expect(call.error()).toMatchObject({ code: 'BUSY', retryable: true, acted: 'nothing' });
    expect(asked).toBeGreaterThan(2);
    expect(clock.monotonicMs()).toBeLessThan(1_000 + 2_100);
    await client.close();
    expect(clock.timers).toBe(0);
  });
});

describe('transact without a requestId', () => {
  it('is never sent again once it may have been received: its outcome is asked for', async () => {
    const [a, b] = pair();
    const { client, clock } = await connectedClient([a, b]);
    const call = watch(client.transact(plain));
    const sent = await a.next('transact');
    expect(sent.message).toMatchObject({ announce: true });
    expect(sent.message.requestId).toBeUndefined();
    sent.reply(begun);
    a.kill();
    await settle();
    takeOver(b);
    await clock.advance(50);
    for (const state of ['PENDING', 'READY'] as const) {
      (await b.next('status')).reply(statusIn(state));
      await clock.advance(100);
    }
    (await b.next('status')).reply(statusIn('COMMITTING'));
    await settle();
    expect(call.value()).toEqual({
      outcome: 'committed',
      txid,
      readonly: false,
      results: null,
      attempt: 1,
    });
    expect([...a.all, ...b.all].filter((each) => each.type === 'transact')).toHaveLength(1);
    await client.close();
    expect(clock.timers).toBe(0);
  });

  it('learns an abort the same way, with or without its reason', async () => {
    const { client, node, clock } = await connectedClient();
    for (const reason of [undefined, aborted.reason]) {
      const call = client.transact(plain);
      const sent = await node.next('transact');
      sent.reply(begun);
      sent.connection.drop();
      await clock.advance(60);
      (await node.next('status')).reply({
        ...statusIn('ABORTED'),
        ...(reason === undefined ? {} : { reason }),
      });
      expect(await call).toMatchObject({
        outcome: 'aborted',
        txid,
        reason: reason ?? { code: 'LEADER_CHANGED', message: expect.stringContaining('no longer') },
      });
    }
    await client.close();
  });

  it('without a txid is an unknown outcome at once, and still never sent again', async () => {
    const { client, node, clock } = await connectedClient();
    const call = watch(client.transact(plain));
    (await node.next('transact')).connection.drop();
    await settle();
    expect(call.error()).toMatchObject({
      name: 'OutcomeUnknownError',
      cause: { code: 'CONNECTION_LOST' },
    });
    expect((call.error() as { txid?: string }).txid).toBeUndefined();
    await clock.advance(10_000);
    expect(node.all).toHaveLength(1);
    await client.close();
  });

  it('is sent anew only where nothing can have happened', async () => {
    const { client, node, clock } = await connectedClient();
    const call = client.transact(plain);
    (await node.next('transact')).fail('BUSY');
    await clock.advance(20);
    (await node.next('transact')).fail('LOG_UNAVAILABLE');
    await clock.advance(50);
    (await node.next('transact')).fail('NOT_LEADER', {
      leader: leaderInfo('a', { revision: 2 }),
    });
    await clock.advance(100);
    const sent = await node.next('transact');
    expect(sent.message.epoch).toBe(epochOfRevision(2));
    // Once begun, even a refusal is followed up.
    sent.reply(begun);
    sent.fail('BUSY');
    (await node.next('status')).reply(statusIn('COMMITTING'));
    expect((await call).outcome).toBe('committed');

    const unclear = client.transact(plain);
    (await node.next('transact')).fail('INTERNAL', { txid });
    (await node.next('status')).fail('EXPIRED');
    await expect(unclear).rejects.toMatchObject({ code: 'EXPIRED', txid });
    await client.close();
  });

  it('stays unknown, with its txid, when the time-out, the signal or `close` ends the asking', async () => {
    const { client, node, clock } = await connectedClient();
    const late = watch(client.transact(plain, { timeoutMs: 500 }));
    const one = await node.next('transact');
    one.reply(begun);
    await clock.advance(500);
    expect(late.error()).toMatchObject({ name: 'OutcomeUnknownError', txid });

    const asking = watch(client.transact(plain, { timeoutMs: 5_000 }));
    const two = await node.next('transact');
    two.reply(begun);
    two.connection.drop();
    await clock.advance(4_999);
    expect(await node.waiting()).toBeGreaterThan(0);
    await clock.advance(1);
    expect(asking.error()).toMatchObject({ txid, cause: { code: 'CONNECTION_LOST' } });
    while ((await node.waiting()) > 0) await node.next('status');

    const controller = new AbortController();
    const given = client.transact(plain, { signal: controller.signal });
    (await node.next('transact')).reply(begun);
    controller.abort('enough');
    await expect(given).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', txid, cause: 'enough' });

    const closing = client.transact(plain);
    (await node.next('transact')).reply(begun);
    await client.close();
    await expect(closing).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN', txid });
    expect(clock.timers).toBe(0);
  });
});
