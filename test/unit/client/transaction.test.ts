import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../../src/client.ts';
import type { ErrorCode } from '../../../src/core/catalogue.ts';
import { type ClientSetting, connectedClient, watch } from '../../support/clients/client.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);
const begun = { type: 'begun', txid, timeoutMs: 2_000, share: 'share-1' } as const;
const committed = { type: 'outcome', txid, outcome: 'committed', results: { a: 1 } } as const;
const rolledBack = {
  type: 'outcome',
  txid,
  outcome: 'aborted',
  results: null,
  reason: { code: 'ROLLED_BACK', message: 'so wished', retryable: false },
} as const;
const conflict = {
  ...rolledBack,
  reason: { code: 'CONFLICT', message: 'stale', retryable: true },
} as const;
const statusIn = (state: 'PENDING' | 'READY' | 'COMMITTED' | 'ABORTED') =>
  ({ type: 'status', txid, state, attention: false, branches: [], ageMs: 1 }) as const;

async function begin(): Promise<ClientSetting & { tx: Transaction }> {
  const setting = await connectedClient();
  const beginning = setting.client.begin({ timeoutMs: 9_000, labels: { a: 'b' } });
  const received = await setting.node.next('begin');
  expect(received.message).toMatchObject({ timeoutMs: 9_000, labels: { a: 'b' } });
  received.reply(begun);
  return { ...setting, tx: await beginning };
}

describe('an interactive transaction', () => {
  it('is begun, given branches, and committed once', async () => {
    const { client, node, tx } = await begin();
    expect([tx.txid, tx.timeoutMs, tx.commitRequested]).toEqual([txid, 2_000, false]);
    const enlisting = tx.enlist({ participant: 'inventory', payload: { take: 1 } });
    const enlist = await node.next('enlist');
    expect(enlist.message).toMatchObject({ txid, participant: 'inventory', payload: { take: 1 } });
    expect('branch' in enlist.message).toBe(false);
    enlist.reply({ type: 'enlisted', txid, branch: 'inventory' });
    expect(await enlisting).toBe('inventory');
    const status = tx.status();
    (await node.next('status')).reply(statusIn('PENDING'));
    expect((await status).state).toBe('PENDING');
    const both = Promise.all([tx.commit<{ a: number }>(), tx.commit<{ a: number }>()]);
    (await node.next('commit')).reply(committed);
    const expected = { outcome: 'committed', txid, readonly: false, results: { a: 1 } };
    expect(await both).toEqual([expected, expected]);
    expect(await node.waiting()).toBe(0);
    await client.close();
  });

  it('repeats begin, enlist and rollback, which do no harm twice, over lost connections', async () => {
    const { client, node, clock, tx } = await begin();
    const beginning = client.begin();
    (await node.next('begin')).connection.drop();
    await clock.advance(60);
    (await node.next('begin')).fail('BUSY');
    await clock.advance(50);
    (await node.next('begin')).reply(begun);
    await beginning;
    const enlisting = tx.enlist({ participant: 'p', branch: 'b' });
    (await node.next('enlist')).connection.drop();
    await clock.advance(200);
    (await node.next('enlist')).reply({ type: 'enlisted', txid, branch: 'b' });
    expect(await enlisting).toBe('b');
    const rolling = tx.rollback('x'.repeat(2_000));
    (await node.next('rollback')).connection.drop();
    await clock.advance(500);
    const again = await node.next('rollback');
    expect(again.message.reason?.length).toBeLessThanOrEqual(1_024);
    again.reply(rolledBack);
    expect(await rolling).toEqual({ outcome: 'aborted', txid, reason: rolledBack.reason });
    await client.close();
  });

  it('asks for its locks again over a lost connection, and tells why it cannot have them', async () => {
    const { client, node, clock, tx } = await begin();
    const locking = tx.lock(['k', 'l'], { mode: 'shared', waitMs: 250 });
    (await node.next('lock')).connection.drop();
    await clock.advance(200);
    const again = await node.next('lock');
    expect(again.message).toMatchObject({ txid, keys: ['k', 'l'], mode: 'shared', waitMs: 250 });
    again.reply({ type: 'locked', txid, keys: ['k', 'l'] });
    await locking;
    const refused = expect(tx.lock('k')).rejects.toMatchObject({
      code: 'DEADLOCK',
      retryable: true,
      acted: 'nothing',
    });
    const asked = await node.next('lock');
    expect(asked.message).toMatchObject({ keys: ['k'], mode: 'exclusive' });
    expect('waitMs' in asked.message).toBe(false);
    asked.fail('DEADLOCK');
    await refused;
    expect(await node.waiting()).toBe(0);
    await client.close();
  });

  it('never sends its commit twice: a lost answer is asked for', async () => {
    const { client, node, clock, tx } = await begin();
    const committing = watch(tx.commit());
    (await node.next('commit')).connection.drop();
    await clock.advance(60);
    for (const state of ['PENDING', 'READY', 'COMMITTED'] as const) {
      expect(committing.state()).toBe('waiting');
      (await node.next('status')).reply(statusIn(state));
      await clock.advance(100);
    }
    expect(committing.value()).toMatchObject({ outcome: 'committed', results: null });
    expect(node.all.filter((each) => each.type === 'commit')).toHaveLength(1);
    await client.close();
  });

  it('sends its commit again where it was refused without effect, and asks where the leader knows it no more', async () => {
    const { client, node, clock, tx } = await begin();
    const committing = tx.commit();
    (await node.next('commit')).fail('LOG_UNAVAILABLE');
    await clock.advance(20);
    (await node.next('commit')).fail('UNKNOWN_TRANSACTION');
    (await node.next('status')).reply({ ...statusIn('ABORTED'), reason: conflict.reason });
    expect(await committing).toMatchObject({ outcome: 'aborted', reason: { code: 'CONFLICT' } });
    await client.close();
  });

  it('given up in flight is an unknown outcome with the txid; before, it can be tried again', async () => {
    const { client, node, clock, tx } = await begin();
    await expect(tx.commit({ signal: AbortSignal.abort('early') })).rejects.toMatchObject({
      code: 'ABORTED_BY_CALLER',
      acted: 'nothing',
    });
    expect(tx.commitRequested).toBe(false);
    const controller = new AbortController();
    const committing = tx.commit({ signal: controller.signal });
    await node.next('commit');
    controller.abort('late');
    await expect(committing).rejects.toMatchObject({
      name: 'OutcomeUnknownError',
      txid,
      cause: 'late',
    });
    expect(tx.commitRequested).toBe(true);

    const other = await begin();
    const silent = watch(other.tx.commit());
    await other.node.next('commit');
    await other.clock.advance(6_999);
    expect(silent.state()).toBe('waiting');
    await other.clock.advance(1);
    expect(silent.error()).toMatchObject({ name: 'OutcomeUnknownError', txid });
    await client.close();
    await other.client.close();
    expect([clock.timers, other.clock.timers]).toEqual([0, 0]);
  });

  it('left without a commit is rolled back by `await using`', async () => {
    const { client, node, tx } = await begin();
    const leaving = (async () => {
      await using left = tx;
      expect(left.txid).toBe(txid);
    })();
    (await node.next('rollback')).reply(rolledBack);
    await leaving;
    await tx[Symbol.asyncDispose]();
    expect(await node.waiting()).toBe(0);
    await client.close();
  });
});

describe('run', () => {
  async function started(
    setting: ClientSetting,
    more: Parameters<ClientSetting['client']['run']>[1] = {},
    work: (tx: Transaction) => Promise<string> = async () => 'value',
  ) {
    const calls: number[] = [];
    const running = watch(
      setting.client.run((tx, { attempt }) => {
        calls.push(attempt);
        return work(tx);
      }, more),
    );
    await settle();
    return { calls, running };
  }

  it('commits what the function did and returns its value', async () => {
    const setting = await connectedClient();
    const { running } = await started(setting, { transaction: { timeoutMs: 700 } }, async (tx) => {
      await tx.enlist({ participant: 'p' });
      return 'done';
    });
    const received = await setting.node.next('begin');
    expect(received.message.timeoutMs).toBe(700);
    received.reply(begun);
    (await setting.node.next('enlist')).reply({ type: 'enlisted', txid, branch: 'p' });
    (await setting.node.next('commit')).reply(committed);
    await settle();
    expect(running.value()).toEqual({
      outcome: 'committed',
      txid,
      readonly: false,
      results: { a: 1 },
      value: 'done',
      attempts: 1,
    });
    await setting.client.close();
    expect(setting.clock.timers).toBe(0);
  });

  it('tries aborts that can pass again, with growing pauses, up to its limit', async () => {
    const setting = await connectedClient();
    const { node, clock } = setting;
    const { calls, running } = await started(setting, { maxAttempts: 3, retryDelayMs: 100 });
    for (const pauseMs of [100, 200, 0]) {
      (await node.next('begin')).reply(begun);
      (await node.next('commit')).reply(conflict);
      await settle();
      if (pauseMs > 0) {
        await clock.advance(pauseMs / 2 - 1);
        expect(await node.waiting()).toBe(0);
        await clock.advance(pauseMs / 2 + 1);
      }
    }
    expect(running.value()).toEqual({
      outcome: 'aborted',
      txid,
      reason: conflict.reason,
      attempts: 3,
    });
    expect(calls).toEqual([1, 2, 3]);
    await setting.client.close();
  });

  it('does not repeat an abort that cannot pass, and rather gives it than a time-out', async () => {
    const setting = await connectedClient();
    const { node } = setting;
    const one = await started(setting);
    (await node.next('begin')).reply(begun);
    (await node.next('commit')).reply(rolledBack);
    await settle();
    expect(one.running.value()).toMatchObject({ outcome: 'aborted', attempts: 1 });
    const two = await started(setting, { timeoutMs: 100, retryDelayMs: 1_000 });
    (await node.next('begin')).reply(begun);
    (await node.next('commit')).reply(conflict);
    await settle();
    expect(two.running.value()).toMatchObject({ outcome: 'aborted', attempts: 1 });
    await setting.client.close();
  });

  it('does not try again before the coordinator said that it may help', async () => {
    const setting = await connectedClient();
    const { node, clock } = setting;
    const reason = {
      code: 'PARTICIPANT_UNAVAILABLE',
      message: 'gone',
      retryable: true,
      retryAfterMs: 3_000,
    } as const;
    const { calls, running } = await started(setting, { retryDelayMs: 1 });
    (await node.next('begin')).reply(begun);
    (await node.next('commit')).reply({ ...rolledBack, reason });
    await clock.advance(2_990);
    expect(calls).toEqual([1]);
    await clock.advance(3_020);
    (await node.next('begin')).reply(begun);
    (await node.next('commit')).reply(committed);
    await settle();
    expect(running.value()).toMatchObject({ outcome: 'committed', attempts: 2 });
    await setting.client.close();
  });

  it('rolls back when the function throws, and throws the same', async () => {
    const setting = await connectedClient();
    const fault = new Error('too little stock');
    const { calls, running } = await started(setting, {}, () => Promise.reject(fault));
    (await setting.node.next('begin')).reply(begun);
    (await setting.node.next('rollback')).reply(rolledBack);
    await settle();
    expect(running.error()).toBe(fault);
    expect(calls).toEqual([1]);
    await setting.client.close();
  });

  it('tries again when the transaction was lost under the function, but no error of another kind', async () => {
    const setting = await connectedClient();
    const { node, clock } = setting;
    const lost = {
      ...rolledBack,
      reason: { code: 'LEADER_CHANGED', message: 'gone', retryable: true },
    } as const;
    const enlist = async (tx: Transaction): Promise<string> => tx.enlist({ participant: 'p' });
    const one = await started(setting, {}, enlist);
    (await node.next('begin')).reply(begun);
    (await node.next('enlist')).fail('UNKNOWN_TRANSACTION');
    (await node.next('rollback')).reply(lost);
    await clock.advance(100);
    (await node.next('begin')).reply(begun);
    (await node.next('enlist')).reply({ type: 'enlisted', txid, branch: 'p' });
    (await node.next('commit')).reply(committed);
    await settle();
    expect(one.running.value()).toMatchObject({ outcome: 'committed', attempts: 2 });
    const two = await started(setting, {}, enlist);
    (await node.next('begin')).reply(begun);
    const code: ErrorCode = 'LIMIT_EXCEEDED';
    (await node.next('enlist')).fail(code);
    (await node.next('rollback')).reply(rolledBack);
    await settle();
    expect(two.running.error()).toMatchObject({ code });
    await setting.client.close();
  });

  it('never follows an unknown outcome with another attempt, also when the function committed itself', async () => {
    const setting = await connectedClient();
    const { node, clock } = setting;
    for (const work of [undefined, async (tx: Transaction) => (await tx.commit()).outcome]) {
      const { calls, running } = await started(setting, { timeoutMs: 1_000 }, work);
      (await node.next('begin')).reply(begun);
      await node.next('commit');
      await clock.advance(1_000);
      expect(running.error()).toMatchObject({ name: 'OutcomeUnknownError', txid });
      await clock.advance(10_000);
      expect([calls.length, await node.waiting()]).toEqual([1, 0]);
    }
    await setting.client.close();
    expect(clock.timers).toBe(0);
  });

  it('ends with the caller’s signal between attempts and before the commit, which rolls back', async () => {
    const setting = await connectedClient();
    const { node } = setting;
    const controller = new AbortController();
    const { running } = await started(setting, { signal: controller.signal }, async () => {
      controller.abort('enough');
      return '';
    });
    (await node.next('begin')).reply(begun);
    (await node.next('rollback')).reply(rolledBack);
    await settle();
    expect(running.error()).toMatchObject({ code: 'ABORTED_BY_CALLER', cause: 'enough' });
    await setting.client.close();
  });
});
