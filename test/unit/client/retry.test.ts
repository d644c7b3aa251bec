/**
 * `transact` with `retry`: one request id, an attempt of its own for each try, one bound for all of
 * them.
 */
import { describe, expect, it } from 'vitest';
import type { TransactRequest } from '../../../src/client.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo, txidOf } from '../../support/samples/messages.ts';

const branches = [{ participant: 'inventory', payload: { take: 1 } }];
const keyed: TransactRequest = { branches, requestId: 'order-1' };
const committed = { type: 'outcome', outcome: 'committed', results: { inventory: 7 } } as const;
const reason = { code: 'CONFLICT', message: 'stale', retryable: true } as const;
const aborted = { type: 'outcome', outcome: 'aborted', results: null, reason } as const;
const final = {
  ...aborted,
  reason: { code: 'VOTED_ABORT', message: 'no stock', retryable: false },
} as const;

describe('transact with retry', () => {
  it('tries again under the same requestId, as the next attempt, and keeps its age', async () => {
    const { client, node, clock } = await connectedClient();
    const call = client.transact(keyed, { retry: true });
    (await node.next('transact')).reply({ ...aborted, txid: txidOf(1) });
    await clock.advance(50);
    const second = await node.next('transact');
    expect(second.message).toMatchObject({ requestId: 'order-1', attempt: 2 });
    expect(second.message.requestAgeMs).toBeGreaterThan(0);
    second.reply({ ...aborted, txid: txidOf(2) });
    await clock.advance(100);
    const third = await node.next('transact');
    expect(third.message.attempt).toBe(3);
    third.reply({ ...committed, txid: txidOf(3) });
    expect(await call).toMatchObject({ outcome: 'committed', txid: txidOf(3), attempt: 3 });
    await client.close();
  });

  it('goes on above the attempt whose answer was told again, at once', async () => {
    const { client, node, clock } = await connectedClient();
    const call = client.transact(keyed, { retry: true });
    const old = { ...reason, code: 'PARTICIPANT_UNAVAILABLE', retryAfterMs: 20_000 } as const;
    (await node.next('transact')).reply({ ...aborted, txid: txidOf(1), reason: old, repeats: 4 });
    await clock.advance(50);
    const second = await node.next('transact');
    expect(second.message.attempt).toBe(5);
    second.reply({ ...committed, txid: txidOf(2) });
    expect(await call).toMatchObject({ outcome: 'committed', attempt: 5 });
    await client.close();
  });

  it('waits as long as the reason asks', async () => {
    const { client, node, clock } = await connectedClient();
    const call = client.transact(keyed, { retry: true });
    const later = { ...reason, retryAfterMs: 1_000 };
    (await node.next('transact')).reply({ ...aborted, txid: txidOf(1), reason: later });
    await clock.advance(1_000);
    expect(await node.waiting()).toBe(0);
    await clock.advance(1_050);
    (await node.next('transact')).reply({ ...committed, txid: txidOf(2) });
    expect(await call).toMatchObject({ outcome: 'committed' });
    await client.close();
  });

  it.each([
    ['what cannot pass', { retry: true }, final],
    ['the last attempt that it may make', { retry: { maxAttempts: 1 } }, aborted],
    ['what it was not asked to try again', { retry: false }, aborted],
    ['where the pause would outlast the call', { retry: true, timeoutMs: 20 }, aborted],
  ] as const)('ends with %s', async (_what, options, answer) => {
    const { client, node, clock } = await connectedClient();
    const call = client.transact(keyed, options);
    (await node.next('transact')).reply({ ...answer, txid: txidOf(1) });
    expect(await call).toMatchObject({ outcome: 'aborted', reason: answer.reason, attempt: 1 });
    expect(await node.waiting()).toBe(0);
    await client.close();
    expect(clock.timers).toBe(0);
  });

  it('ends before the request window does: an abort that is known is better than EXPIRED', async () => {
    const { client, node } = await connectedClient();
    const call = client.transact({ ...keyed, requestAgeMs: 119_990 }, { retry: true });
    (await node.next('transact')).reply({ ...aborted, txid: txidOf(1) });
    expect(await call).toMatchObject({ outcome: 'aborted', attempt: 1 });
    await client.close();
  });

  it('a lost answer of an attempt that was aborted all the same leaves nothing unknown', async () => {
    const { client, node, clock } = await connectedClient();
    const controller = new AbortController();
    const call = watch(client.transact(keyed, { retry: true, signal: controller.signal }));
    const first = await node.next('transact');
    node.leaders = [leaderInfo('a', { revision: 2 })];
    first.connection.drop();
    await clock.advance(60);
    (await node.next('transact')).reply({ ...aborted, txid: txidOf(1) });
    await settle();
    controller.abort('enough');
    await settle();
    expect(call.error()).toMatchObject({ code: 'ABORTED_BY_CALLER', acted: 'nothing' });
    await client.close();
  });

  it('without a requestId begins another transaction, for an abort is certain', async () => {
    const { client, node, clock } = await connectedClient();
    const call = client.transact({ branches }, { retry: true });
    (await node.next('transact')).reply({ ...aborted, txid: txidOf(1) });
    await clock.advance(50);
    const second = await node.next('transact');
    expect(second.message).not.toHaveProperty('requestId');
    second.reply({ ...committed, txid: txidOf(2) });
    expect(await call).toMatchObject({ outcome: 'committed', txid: txidOf(2) });
    await client.close();
  });

  it('refuses a maxAttempts that is none', async () => {
    const { client } = await connectedClient();
    await expect(client.transact(keyed, { retry: { maxAttempts: 0 } })).rejects.toThrow(RangeError);
    await client.close();
  });
});

describe('an answer from memory', () => {
  it('says that it is one, and how to try again', async () => {
    const { client, node } = await connectedClient();
    const call = client.transact(keyed);
    (await node.next('transact')).reply({ ...final, txid: txidOf(1), repeats: 2 });
    const outcome = await call;
    expect(outcome).toMatchObject({ outcome: 'aborted', repeated: true, attempt: 2 });
    expect(outcome.outcome === 'aborted' && outcome.reason.message).toMatch(
      /no stock .*attempt 2 .*Nothing was run now.*attempt: 3.*requestId/,
    );
    await client.close();
  });
});
