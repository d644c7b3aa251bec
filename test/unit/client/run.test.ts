import { describe, expect, it } from 'vitest';
import { OutcomeUnknownError, type Transaction, VerdictError } from '../../../src/client.ts';
import type { ErrorCode } from '../../../src/core/catalogue.ts';
import { begun, committed, conflict, rolledBack, txid } from '../../support/clients/answers.ts';
import { type ClientSetting, connectedClient, watch } from '../../support/clients/client.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

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

  it('neither rolls back nor repeats what the function committed itself: its error is its own', async () => {
    const setting = await connectedClient();
    const { node } = setting;
    const own = new VerdictError('BUSY', 'mine', { retryable: true, acted: 'nothing' });
    const { calls, running } = await started(setting, {}, async (tx) => {
      await tx.commit();
      throw own;
    });
    (await node.next('begin')).reply(begun);
    (await node.next('commit')).reply(committed);
    await settle();
    expect(running.error()).toBe(own);
    expect([calls.length, await node.waiting()]).toEqual([1, 0]);
    await setting.client.close();
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

  it('tells of what was never asked to commit that nothing happened, whatever answer is missing', async () => {
    const setting = await connectedClient();
    const { node, clock } = setting;
    const nothing = { code: 'TIMEOUT', acted: 'nothing', retryable: true };
    const beginning = await started(setting, { timeoutMs: 1_000 });
    await node.next('begin');
    await clock.advance(1_000);
    expect(beginning.running.error()).toMatchObject(nothing);

    const lock = async (tx: Transaction) => tx.lock('lamp').then(() => '');
    const waiting = await started(setting, { timeoutMs: 1_000 }, lock);
    (await node.next('begin')).reply(begun);
    await node.next('lock');
    await clock.advance(1_000);
    (await node.next('rollback')).reply(rolledBack);
    await settle();
    expect(waiting.running.error()).toMatchObject(nothing);

    // The rollback has no answer either.
    const silent = await started(setting, { timeoutMs: 1_000 }, lock);
    (await node.next('begin')).reply(begun);
    await node.next('lock');
    await clock.advance(1_000);
    await node.next('rollback');
    await clock.advance(5_000);
    expect(silent.running.error()).toMatchObject(nothing);
    await setting.client.close();
  });

  it('does not say so where another process may have committed it, and does not run it again', async () => {
    const setting = await connectedClient();
    const { node, clock } = setting;
    const shared = async (tx: Transaction) => {
      expect(tx.share).toBe('share-1');
      return tx.lock('lamp', { timeoutMs: 100 }).then(() => '');
    };
    for (const answer of [committed, null]) {
      const { calls, running } = await started(setting, {}, shared);
      (await node.next('begin')).reply(begun);
      await node.next('lock');
      await clock.advance(100);
      const rollback = await node.next('rollback');
      if (answer === null) await clock.advance(5_000);
      else rollback.reply(answer);
      await clock.advance(1_000);
      expect(running.error()).toMatchObject({ code: 'TIMEOUT', acted: 'unknown' });
      expect(calls).toEqual([1]);
    }
    await setting.client.close();
  });

  describe('whose function does not return', () => {
    const hangs = () => new Promise<string>(() => undefined);

    it('settles with its time: rolled back, and what the function asks then is refused', async () => {
      const setting = await connectedClient();
      const { node, clock } = setting;
      const hung = Promise.withResolvers<void>();
      let later: Promise<unknown>[] = [];
      const { calls, running } = await started(setting, { timeoutMs: 1_000 }, async (tx) => {
        await hung.promise;
        later = [tx.enlist({ participant: 'p' }), tx.lock('lamp'), tx.commit()];
        await Promise.allSettled(later);
        throw new Error('too late');
      });
      (await node.next('begin')).reply(begun);
      await clock.advance(1_000);
      expect(running.state()).toBe('waiting');
      (await node.next('rollback')).reply(rolledBack);
      await settle();
      const nothing = { code: 'TIMEOUT', acted: 'nothing', retryable: false, txid };
      expect(running.error()).toMatchObject(nothing);
      expect(String(running.error())).toMatch(/function .* still running .* rolled back/);
      hung.resolve();
      await settle();
      expect(await Promise.allSettled(later)).toMatchObject(
        Array.from({ length: 3 }, () => ({ reason: { code: 'TIMEOUT', acted: 'nothing' } })),
      );
      expect([calls, await node.waiting()]).toEqual([[1], 0]);
      await setting.client.close();
      expect(clock.timers).toBe(0);
    });

    it('settles although nothing answers the rollback', async () => {
      const setting = await connectedClient();
      const { node, clock } = setting;
      const { running } = await started(setting, { timeoutMs: 1_000 }, hangs);
      (await node.next('begin')).reply(begun);
      await clock.advance(1_000);
      await node.next('rollback');
      await clock.advance(5_000);
      expect(running.error()).toMatchObject({ code: 'TIMEOUT', acted: 'nothing', txid });
      await setting.client.close();
    });

    it('settles when the caller gives up, or closes the client', async () => {
      const setting = await connectedClient();
      const { node, clock } = setting;
      const controller = new AbortController();
      const given = await started(setting, { signal: controller.signal }, hangs);
      (await node.next('begin')).reply(begun);
      await settle();
      controller.abort('enough');
      await settle();
      (await node.next('rollback')).reply(rolledBack);
      await settle();
      const gaveUp = { code: 'ABORTED_BY_CALLER', acted: 'nothing', cause: 'enough', txid };
      expect(given.running.error()).toMatchObject(gaveUp);
      const closed = await started(setting, {}, hangs);
      (await node.next('begin')).reply(begun);
      await settle();
      await setting.client.close();
      await settle();
      expect(closed.running.error()).toMatchObject({ code: 'CLOSED', acted: 'nothing', txid });
      expect(clock.timers).toBe(0);
    });

    it('does not know the outcome where it has committed itself, or another process may have', async () => {
      const setting = await connectedClient();
      const { node, clock } = setting;
      const unknown = { name: 'OutcomeUnknownError', acted: 'unknown', txid };
      const own = await started(setting, { timeoutMs: 1_000 }, async (tx) => {
        await tx.commit();
        return hangs();
      });
      (await node.next('begin')).reply(begun);
      (await node.next('commit')).reply(committed);
      await clock.advance(1_000);
      expect(own.running.error()).toMatchObject(unknown);
      for (const answer of [committed, null]) {
        const shared = await started(setting, { timeoutMs: 1_000 }, (tx) => {
          expect(tx.share).toBe('share-1');
          return hangs();
        });
        (await node.next('begin')).reply(begun);
        await clock.advance(1_000);
        const rollback = await node.next('rollback');
        if (answer === null) await clock.advance(5_000);
        else rollback.reply(answer);
        await settle();
        expect(shared.running.error()).toMatchObject(unknown);
      }
      expect(await node.waiting()).toBe(0);
      await setting.client.close();
    });

    it('rolls back where its own commit was refused, and only waited to be sent again', async () => {
      const setting = await connectedClient();
      const { node, clock } = setting;
      for (const end of ['signal', 'time-out'] as const) {
        const controller = new AbortController();
        const options = { signal: controller.signal, timeoutMs: 1_000 };
        const { running } = await started(setting, options, async (tx) => {
          await tx.commit().catch(() => undefined);
          return hangs();
        });
        (await node.next('begin')).reply(begun);
        (await node.next('commit')).fail('LOG_UNAVAILABLE', { retryAfterMs: 5_000 });
        await settle();
        if (end === 'signal') controller.abort('enough');
        else await clock.advance(1_000);
        await settle();
        (await node.next('rollback')).reply(rolledBack);
        await settle();
        const code = end === 'signal' ? 'ABORTED_BY_CALLER' : 'TIMEOUT';
        expect(running.error()).toMatchObject({ code, acted: 'nothing', txid });
      }
      await setting.client.close();
    });

    it('knows that its own commit came to an abort', async () => {
      const setting = await connectedClient();
      const { node, clock } = setting;
      const { running } = await started(setting, { timeoutMs: 1_000 }, async (tx) => {
        await tx.commit();
        return hangs();
      });
      (await node.next('begin')).reply(begun);
      (await node.next('commit')).reply(rolledBack);
      await clock.advance(1_000);
      (await node.next('rollback')).reply(rolledBack);
      await settle();
      expect(running.error()).toMatchObject({ code: 'TIMEOUT', acted: 'nothing', txid });
      await setting.client.close();
    });

    const late = { code: 'TRANSACTION_TIMEOUT', message: 'late', retryable: true } as const;
    it.each([
      ['was rolled back', rolledBack],
      ['has aborted for what passes', { ...rolledBack, reason: late }],
    ])('is not run again, beside itself, by a run around it that %s', async (_how, outer) => {
      const setting = await connectedClient();
      const { node, clock } = setting;
      const { calls, running } = await started(setting, { timeoutMs: 30_000 }, async () => {
        await setting.client.run(hangs, { timeoutMs: 1_000 });
        return 'never';
      });
      (await node.next('begin')).reply(begun);
      await settle();
      (await node.next('begin')).reply(begun);
      await clock.advance(1_000);
      (await node.next('rollback')).reply(rolledBack);
      await settle();
      (await node.next('rollback')).reply(outer);
      await clock.advance(1_000);
      expect([calls, await node.waiting()]).toEqual([[1], 0]);
      expect(running.error()).toMatchObject({ code: 'TIMEOUT', retryable: false });
      await setting.client.close();
    });

    it('is unknown where its share was given away, whatever its transaction refuses it then', async () => {
      const setting = await connectedClient();
      const { node, clock } = setting;
      const late = Promise.withResolvers<void>();
      const { running } = await started(setting, { timeoutMs: 1_000 }, async (tx) => {
        expect(tx.share).toBe('share-1');
        await late.promise;
        await tx.enlist({ participant: 'p' });
        return 'never';
      });
      (await node.next('begin')).reply(begun);
      await clock.advance(1_000);
      await node.next('rollback');
      late.resolve();
      await clock.advance(5_000);
      expect(running.error()).toMatchObject({ name: 'OutcomeUnknownError', txid });
      await setting.client.close();
    });

    it('gives its share to no one once it was given up', async () => {
      const setting = await connectedClient();
      const { node } = setting;
      const controller = new AbortController();
      const late = Promise.withResolvers<void>();
      let share: unknown;
      const { running } = await started(setting, { signal: controller.signal }, async (tx) => {
        await late.promise;
        try {
          share = tx.share;
        } catch (error) {
          share = error;
        }
        return 'late';
      });
      (await node.next('begin')).reply(begun);
      await settle();
      controller.abort('enough');
      await settle();
      (await node.next('rollback')).reply(rolledBack);
      await settle();
      late.resolve();
      await settle();
      expect(running.error()).toMatchObject({ code: 'ABORTED_BY_CALLER', acted: 'nothing' });
      expect(share).toMatchObject({ code: 'WRONG_STATE', txid });
      await setting.client.close();
    });

    it('is no unhandled rejection where the client is closed before it is awaited', async () => {
      const setting = await connectedClient();
      const { node } = setting;
      const unhandled: unknown[] = [];
      const heard = (error: unknown): void => void unhandled.push(error);
      process.on('unhandledRejection', heard);
      const running = setting.client.run(hangs);
      await settle();
      (await node.next('begin')).reply(begun);
      await settle();
      await setting.client.close();
      await settle();
      await settle();
      process.off('unhandledRejection', heard);
      expect(unhandled).toEqual([]);
      await expect(running).rejects.toMatchObject({ code: 'CLOSED' });
    });

    it('throws what the function throws as its time is over: that says more', async () => {
      const setting = await connectedClient();
      const { node, clock } = setting;
      const fault = new Error('what it waited for was late');
      const late = Promise.withResolvers<string>();
      const { running } = await started(setting, { timeoutMs: 1_000 }, () => late.promise);
      (await node.next('begin')).reply(begun);
      await clock.advance(1_000);
      late.reject(fault);
      (await node.next('rollback')).reply(rolledBack);
      await settle();
      expect(running.error()).toBe(fault);
      await setting.client.close();
    });
  });

  it('does not run again a function in which another transaction has an unknown outcome', async () => {
    const setting = await connectedClient();
    const { node, clock } = setting;
    const unknown = new OutcomeUnknownError('of another one', { txid: txidOf(2) });
    const { calls, running } = await started(setting, {}, () => Promise.reject(unknown));
    (await node.next('begin')).reply(begun);
    (await node.next('rollback')).reply(conflict);
    await clock.advance(1_000);
    expect(running.error()).toBe(unknown);
    expect(calls).toEqual([1]);
    await setting.client.close();
  });

  it('gives the reason as the result where its last transaction was lost under the function', async () => {
    const setting = await connectedClient();
    const { node } = setting;
    const reason = { code: 'TRANSACTION_TIMEOUT', message: 'over', retryable: true } as const;
    const { running } = await started(setting, { maxAttempts: 1 }, (tx) =>
      tx.enlist({ participant: 'p' }),
    );
    (await node.next('begin')).reply(begun);
    (await node.next('enlist')).fail('WRONG_STATE');
    (await node.next('rollback')).reply({ ...rolledBack, reason });
    await settle();
    expect(running.value()).toEqual({ outcome: 'aborted', txid, reason, attempts: 1 });
    await setting.client.close();
  });

  it('has its transactions end within its own time-out, so that none outlives its client for long', async () => {
    const setting = await connectedClient();
    const { node } = setting;
    for (const [more, timeoutMs] of [
      [{ timeoutMs: 5_000 }, 4_500],
      [{ timeoutMs: 1_000 }, 750],
      [{ timeoutMs: 100 }, 50],
      [{ timeoutMs: 5_000, transaction: { timeoutMs: 9_000 } }, 4_500],
      [{ timeoutMs: 5_000, transaction: { timeoutMs: 700 } }, 700],
      [{}, undefined],
    ] as const) {
      const { running } = await started(setting, more);
      const received = await node.next('begin');
      expect(received.message.timeoutMs).toBe(timeoutMs);
      received.reply(begun);
      (await node.next('commit')).reply(committed);
      await settle();
      expect(running.value().outcome).toBe('committed');
    }
    await setting.client.close();
  });

  it('refuses to commit while an enlist that was forgotten is under way', async () => {
    const setting = await connectedClient();
    const { node } = setting;
    let forgotten: Promise<string> | undefined;
    const { running } = await started(setting, {}, async (tx) => {
      forgotten = tx.enlist({ participant: 'p' });
      forgotten.catch(() => undefined);
      return '';
    });
    (await node.next('begin')).reply(begun);
    const enlist = await node.next('enlist');
    (await node.next('rollback')).reply(rolledBack);
    await settle();
    expect(String(running.error())).toMatch(/1 enlist was still under way/);
    enlist.fail('WRONG_STATE');
    await expect(forgotten).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await setting.client.close();
  });
});
