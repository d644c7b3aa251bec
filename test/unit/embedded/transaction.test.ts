import { describe, expect, it } from 'vitest';
import { held, ScriptedParticipant } from '../../support/library/embedded-participant.ts';
import { began, begin, pair, using } from '../../support/library/embedded-rig.ts';

describe('a transaction in the library mode', () => {
  it('commits when everybody votes true, in the order of registration', () =>
    using({}, async (coordinator) => {
      const order: string[] = [];
      const names = ['c', 'a', 'b'];
      const participants = names.map((name) => new ScriptedParticipant(name, {}, order));
      const txid = await begin(coordinator, participants);
      expect((await coordinator.getTransactionStatus(txid)).state).toBe('PENDING');
      expect(await coordinator.commitTransaction(txid)).toBe(true);
      const result = await coordinator.whenSettled(txid);
      expect(result).toMatchObject({ txid, state: 'COMMITTED', outcome: 'committed' });
      expect(result.reason).toBeUndefined();
      const once = { calls: 1, returned: true };
      expect(result.participants).toEqual(
        names.map((participant) => ({ participant, prepare: once, commit: once, rollback: null })),
      );
      expect(order).toEqual([
        ...names.map((name) => `${name} prepare`),
        ...names.map((name) => `${name} commit`),
      ]);
    }));

  it('aborts when one votes false; the others roll back, and the one that refused is left alone', () =>
    using({}, async (coordinator) => {
      const [inventory, payment] = pair({ prepare: [false] });
      const txid = await begin(coordinator, [inventory, payment]);
      expect(await coordinator.commitTransaction(txid)).toBe(false);
      const result = await coordinator.whenSettled(txid);
      expect(result).toMatchObject({
        state: 'ABORTED',
        outcome: 'aborted',
        reason: { code: 'VOTED_ABORT', participant: 'payment' },
      });
      expect(result.participants.map(({ prepare }) => prepare?.returned)).toEqual([true, false]);
      expect(inventory.of(txid)).toEqual(['prepare', 'rollback']);
      expect(payment.of(txid)).toEqual(['prepare']);
    }));

  it('commits without participants', () =>
    using({}, async (coordinator) => {
      const txid = await coordinator.beginTransaction();
      expect(await coordinator.commitTransaction(txid)).toBe(true);
      expect(await coordinator.whenSettled(txid)).toMatchObject({ state: 'COMMITTED' });
    }));

  it('takes calls that are not waited for in the order in which they were made', () =>
    using({}, async (coordinator) => {
      const [inventory, payment] = pair();
      const txid = await coordinator.beginTransaction();
      const calls = [
        coordinator.registerParticipant(txid, inventory),
        coordinator.registerParticipant(txid, payment),
        coordinator.commitTransaction(txid),
      ];
      expect(await Promise.all(calls)).toEqual([undefined, undefined, true]);
      expect(payment.of(txid)[0]).toBe('prepare');
    }));

  it('rolls back on request: every participant is told, none was prepared', () =>
    using({}, async (coordinator) => {
      const [inventory, payment] = pair();
      const txid = await begin(coordinator, [inventory, payment]);
      expect(await coordinator.rollbackTransaction(txid, 'Changed my mind.')).toBe(true);
      expect(await coordinator.whenSettled(txid)).toMatchObject({
        outcome: 'aborted',
        reason: { code: 'ROLLED_BACK', message: 'Changed my mind.' },
      });
      expect(inventory.of(txid)).toEqual(['rollback']);
      expect(payment.of(txid)).toEqual(['rollback']);
      expect(await coordinator.commitTransaction(txid)).toBe(false);
    }));

  it('answers a rollback after the commit with false, and changes nothing', () =>
    using({}, async (coordinator) => {
      const [inventory, payment] = pair();
      const txid = await begin(coordinator, [inventory, payment]);
      expect(await coordinator.commitTransaction(txid)).toBe(true);
      expect(await coordinator.rollbackTransaction(txid)).toBe(false);
      await coordinator.whenSettled(txid);
      expect(await coordinator.rollbackTransaction(txid)).toBe(false);
      expect(inventory.of(txid)).toEqual(['prepare', 'commit']);
    }));

  it('is decided once by two commits at once, and by one that comes later', () =>
    using({}, async (coordinator) => {
      const { answer, give } = held();
      const [inventory, payment] = pair({ prepare: [answer] });
      const txid = await begin(coordinator, [inventory, payment]);
      const both = [coordinator.commitTransaction(txid), coordinator.commitTransaction(txid)];
      give(true);
      expect(await Promise.all(both)).toEqual([true, true]);
      await coordinator.whenSettled(txid);
      expect(await coordinator.commitTransaction(txid)).toBe(true);
      expect(payment.of(txid)).toEqual(['prepare', 'commit']);
    }));

  it('aborts where a rollback meets a commit that is not decided: both are told so', () =>
    using({}, async (coordinator) => {
      const { answer, give } = held();
      const [inventory, payment] = pair({ prepare: [answer] });
      const txid = await begin(coordinator, [inventory, payment]);
      const commit = coordinator.commitTransaction(txid);
      await began(payment, 'prepare');
      expect(await coordinator.rollbackTransaction(txid)).toBe(true);
      expect(await commit).toBe(false);
      give(true);
      await coordinator.whenSettled(txid);
      expect(payment.of(txid)).toEqual(['prepare', 'rollback']);
      expect(payment.overlapped).toBe(false);
    }));

  it('rolls back without a prepare where the rollback comes before the call of it', () =>
    using({}, async (coordinator) => {
      const [inventory, payment] = pair();
      const txid = await begin(coordinator, [inventory, payment]);
      const both = [coordinator.commitTransaction(txid), coordinator.rollbackTransaction(txid)];
      expect(await Promise.all(both)).toEqual([false, true]);
      await coordinator.whenSettled(txid);
      expect(inventory.of(txid)).toEqual(['rollback']);
      expect(payment.of(txid)).toEqual(['rollback']);
    }));

  it('ends when its time is over, committed by no one', () =>
    using({}, async (coordinator) => {
      const txid = await coordinator.beginTransaction({ timeoutMs: 250, labels: { order: '7' } });
      const [inventory] = pair();
      await coordinator.registerParticipant(txid, inventory);
      expect((await coordinator.getTransactionStatus(txid)).labels).toEqual({ order: '7' });
      expect(await coordinator.whenSettled(txid)).toMatchObject({
        reason: { code: 'TRANSACTION_TIMEOUT' },
      });
      expect(inventory.of(txid)).toEqual(['rollback']);
    }));
});

describe('registerParticipant', () => {
  it('is refused once the commit began, and when it is over', () =>
    using({}, async (coordinator) => {
      const { answer, give } = held();
      const [inventory, payment] = pair({ prepare: [answer] });
      const late = new ScriptedParticipant('shipping');
      const txid = await begin(coordinator, [inventory, payment]);
      const commit = coordinator.commitTransaction(txid);
      const refused = { code: 'WRONG_STATE', acted: 'nothing' };
      await expect(coordinator.registerParticipant(txid, late)).rejects.toMatchObject(refused);
      give(true);
      expect(await commit).toBe(true);
      await coordinator.whenSettled(txid);
      await expect(coordinator.registerParticipant(txid, late)).rejects.toMatchObject(refused);
      expect(late.calls).toEqual([]);
      const { participants } = await coordinator.getTransactionResult(txid);
      expect(participants.map(({ participant }) => participant)).toEqual(['inventory', 'payment']);
    }));

  it('refuses a second object of one name; the same one again changes nothing', () =>
    using({}, async (coordinator) => {
      const [inventory] = pair();
      const txid = await begin(coordinator, [inventory, inventory]);
      const other = new ScriptedParticipant('inventory');
      await expect(coordinator.registerParticipant(txid, other)).rejects.toMatchObject({
        code: 'WRONG_STATE',
        message: expect.stringContaining('"inventory"'),
      });
      expect(await coordinator.commitTransaction(txid)).toBe(true);
      await coordinator.whenSettled(txid);
      expect(inventory.of(txid)).toEqual(['prepare', 'commit']);
      expect(other.calls).toEqual([]);
    }));

  it('lets each transaction have an object of its own under one name', () =>
    using({}, async (coordinator) => {
      const first = new ScriptedParticipant('inventory');
      const second = new ScriptedParticipant('inventory');
      const one = await begin(coordinator, [first]);
      const two = await begin(coordinator, [second]);
      expect(await coordinator.commitTransaction(one)).toBe(true);
      expect(await coordinator.commitTransaction(two)).toBe(true);
      await Promise.all([coordinator.whenSettled(one), coordinator.whenSettled(two)]);
      expect(first.calls).toEqual(['prepare', 'commit'].map((method) => ({ method, txid: one })));
      expect(second.calls).toEqual(['prepare', 'commit'].map((method) => ({ method, txid: two })));
    }));

  it('refuses what cannot take part', () =>
    using({}, async (coordinator) => {
      const txid = await coordinator.beginTransaction();
      const method = (): boolean => true;
      const whole = { prepare: method, commit: method, rollback: method };
      for (const wrong of [
        null,
        'inventory',
        { ...whole },
        { ...whole, name: '' },
        { ...whole, name: 'x'.repeat(129) },
        { ...whole, name: 'a\nb' },
        { ...whole, name: '__proto__' },
        { ...whole, name: 'a\u202eb' },
        { ...whole, name: 'inventory', commit: true },
        { ...whole, name: 'inventory', inDoubt: [] },
      ]) {
        await expect(coordinator.registerParticipant(txid, wrong as never)).rejects.toBeInstanceOf(
          TypeError,
        );
      }
    }));
});

describe('an unknown txid', () => {
  it('is told apart from an outcome by every method', () =>
    using({}, async (coordinator) => {
      const real = await coordinator.beginTransaction();
      const [shard, epoch, , random] = real.split('.');
      const madeUp = [shard, epoch, '0000000zz', random].join('.');
      const [inventory] = pair();
      for (const txid of ['', 'no', 42 as never, undefined as never, madeUp]) {
        for (const call of [
          () => coordinator.registerParticipant(txid, inventory),
          () => coordinator.commitTransaction(txid),
          () => coordinator.rollbackTransaction(txid),
          () => coordinator.getTransactionStatus(txid),
          () => coordinator.getTransactionResult(txid),
          () => coordinator.whenSettled(txid),
        ]) {
          await expect(call()).rejects.toMatchObject({
            code: 'UNKNOWN_TRANSACTION',
            retryable: false,
          });
        }
      }
      expect(inventory.calls).toEqual([]);
    }));
});
