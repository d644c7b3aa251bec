import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../../src/client.ts';
import { begun, committed, conflict, rolledBack, txid } from '../../support/clients/answers.ts';
import { type ClientSetting, connectedClient, watch } from '../../support/clients/client.ts';

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
