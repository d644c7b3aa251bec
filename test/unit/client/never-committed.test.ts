/** Of a transaction that was never asked to commit nothing happens, whatever answer is missing. */
import { describe, expect, it } from 'vitest';
import type { Transaction } from '../../../src/client.ts';
import { problemOfError } from '../../../src/http/problems.ts';
import type { VerdictError } from '../../../src/peer/verdict-error.ts';
import { begun, committed, rolledBack, txid } from '../../support/clients/answers.ts';
import { type ClientSetting, connectedClient, watch } from '../../support/clients/client.ts';

const nothing = { name: 'VerdictError', code: 'TIMEOUT', acted: 'nothing', retryable: true };

async function begin(): Promise<ClientSetting & { tx: Transaction }> {
  const setting = await connectedClient();
  const beginning = setting.client.begin();
  (await setting.node.next('begin')).reply(begun);
  return { ...setting, tx: await beginning };
}

function statusOf(error: unknown): number {
  return problemOfError(error as VerdictError, { repeatable: false }).status;
}

describe('a transaction that was begun and never asked to commit', () => {
  it('tells so, and is 503 over HTTP, where an enlist or a lock gets no answer', async () => {
    const { client, node, clock, tx } = await begin();
    for (const [type, ask] of [
      ['enlist', () => tx.enlist({ participant: 'p' }, { timeoutMs: 100 })],
      ['lock', () => tx.lock('lamp', { timeoutMs: 100 })],
    ] as const) {
      const asked = watch<unknown>(ask());
      await node.next(type);
      await clock.advance(100);
      expect(asked.error()).toMatchObject(nothing);
      expect(statusOf(asked.error())).toBe(503);
    }
    const controller = new AbortController();
    const givenUp = watch(tx.enlist({ participant: 'p' }, { signal: controller.signal }));
    await node.next('enlist');
    controller.abort('enough');
    await clock.advance(0);
    expect(givenUp.error()).toMatchObject({ code: 'ABORTED_BY_CALLER', acted: 'nothing' });
    await client.close();
  });

  it('tells so where its rollback gets no answer', async () => {
    const { client, node, clock, tx } = await begin();
    const rolling = watch(tx.rollback('no', { timeoutMs: 100 }));
    await node.next('rollback');
    await clock.advance(100);
    expect(rolling.error()).toMatchObject(nothing);
    // The first answer is lost, and the leader that is asked then says nothing.
    const lost = watch(tx.rollback('no', { timeoutMs: 1_000 }));
    (await node.next('rollback')).fail('UNKNOWN_TRANSACTION');
    await node.next('status');
    await clock.advance(1_000);
    expect(lost.error()).toMatchObject({ code: 'UNKNOWN_TRANSACTION', acted: 'nothing' });
    await client.close();
  });

  it('is rolled back by its commit where a branch may or may not be in it', async () => {
    const { client, node, clock, tx } = await begin();
    const unsure = watch(tx.enlist({ participant: 'p' }, { timeoutMs: 100 }));
    await node.next('enlist');
    await clock.advance(100);
    expect(unsure.error()).toMatchObject(nothing);
    // Whoever took that for "nothing happened" may do without it, or with another one in its place.
    const committing = tx.commit();
    const rollback = await node.next('rollback');
    expect(rollback.message.reason).toContain('enlist of the branch p');
    rollback.reply(rolledBack);
    expect(await committing).toMatchObject({ outcome: 'aborted', reason: { code: 'ROLLED_BACK' } });
    await client.close();
  });

  it('commits where that enlist was repeated, or was never sent', async () => {
    const { client, node, clock, tx } = await begin();
    const unsure = watch(tx.enlist({ participant: 'p' }, { timeoutMs: 100 }));
    await node.next('enlist');
    await clock.advance(100);
    expect(unsure.state()).toBe('rejected');
    const again = tx.enlist({ participant: 'p' });
    (await node.next('enlist')).reply({ type: 'enlisted', txid, branch: 'p' });
    await again;
    const early = { signal: AbortSignal.abort('early') };
    await expect(tx.enlist({ participant: 'q' }, early)).rejects.toMatchObject({ cause: 'early' });
    const committing = tx.commit();
    (await node.next('commit')).reply(committed);
    expect(await committing).toMatchObject({ outcome: 'committed' });
    await client.close();
  });
});

describe('a transaction that may have been asked to commit', () => {
  it('says that it is unknown: its commit was sent, or another process has its share', async () => {
    const asked = await begin();
    const committing = watch(asked.tx.commit({ timeoutMs: 100 }));
    await asked.node.next('commit');
    const late = watch(asked.tx.enlist({ participant: 'p' }, { timeoutMs: 100 }));
    await asked.node.next('enlist');
    const rolling = watch(asked.tx.rollback('no', { timeoutMs: 100 }));
    await asked.node.next('rollback');
    await asked.clock.advance(100);
    expect(committing.error()).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(rolling.error()).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(late.error()).toMatchObject({ code: 'TIMEOUT', acted: 'unknown' });
    expect(statusOf(late.error())).toBe(504);

    const { client, node, clock, tx } = await begin();
    const continued = client.transaction(txid, { share: tx.share });
    for (const shared of [tx, continued]) {
      const locking = watch(shared.lock('lamp', { timeoutMs: 100 }));
      await node.next('lock');
      const left = watch(shared.rollback('no', { timeoutMs: 100 }));
      await node.next('rollback');
      await clock.advance(100);
      expect(locking.error()).toMatchObject({ code: 'TIMEOUT', acted: 'unknown' });
      expect(left.error()).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    }
    await asked.client.close();
    await client.close();

    // Its leader knows the transaction no more, and no one says what became of it.
    const gone = await begin();
    const silent = watch(gone.tx.commit({ timeoutMs: 100 }));
    (await gone.node.next('commit')).fail('UNKNOWN_TRANSACTION');
    await gone.node.next('status');
    await gone.clock.advance(100);
    expect(silent.error()).toMatchObject({ code: 'OUTCOME_UNKNOWN', txid });
    await gone.client.close();
  });

  it('is not what a question is about: it changes nothing', async () => {
    const { client, node, clock } = await begin();
    const controller = new AbortController();
    const asking = watch(client.status(txid, { signal: controller.signal }));
    await node.next('status');
    controller.abort('enough');
    await clock.advance(0);
    expect(asking.error()).toMatchObject({ code: 'ABORTED_BY_CALLER', acted: 'nothing' });
    await client.close();
  });
});

describe('a request that was sent, lost its answer, and could not be sent again', () => {
  async function lost(
    ask: (tx: Transaction) => Promise<unknown>,
    type: 'enlist' | 'lock' | 'rollback',
    isShared: boolean,
  ): Promise<unknown> {
    const { client, node, clock, tx } = await begin();
    const asked = watch(ask(isShared ? client.transaction(txid, { share: tx.share }) : tx));
    await node.next(type);
    node.kill();
    await clock.advance(1_000);
    await client.close();
    return asked.error();
  }

  it('may have been carried out, where another process may commit', async () => {
    const within = { timeoutMs: 1_000 };
    const enlisting = await lost((tx) => tx.enlist({ participant: 'p' }, within), 'enlist', true);
    expect(enlisting).toMatchObject({ code: 'TIMEOUT', acted: 'unknown', retryable: true });
    expect(statusOf(enlisting)).toBe(504);
    const locking = await lost((tx) => tx.lock('lamp', within), 'lock', true);
    expect(locking).toMatchObject({ code: 'TIMEOUT', acted: 'unknown' });
    const rolling = await lost((tx) => tx.rollback('no', within), 'rollback', true);
    expect(rolling).toMatchObject({ code: 'OUTCOME_UNKNOWN', txid });
  });

  it('did nothing, where no one ever asks for the commit', async () => {
    const within = { timeoutMs: 1_000 };
    const enlisting = await lost((tx) => tx.enlist({ participant: 'p' }, within), 'enlist', false);
    expect(enlisting).toMatchObject(nothing);
    const rolling = await lost((tx) => tx.rollback('no', within), 'rollback', false);
    expect(rolling).toMatchObject(nothing);
  });
});
