import { describe, expect, it } from 'vitest';
import { type EmbeddedOptions, TransactionCoordinator } from '../../../src/embedded.ts';
import { eventually } from '../../support/child.ts';
import { held, ScriptedParticipant, throws } from '../../support/embedded-participant.ts';

async function using<T>(
  options: EmbeddedOptions,
  body: (coordinator: TransactionCoordinator) => Promise<T>,
): Promise<T> {
  const coordinator = new TransactionCoordinator({ drainMs: 0, ...options });
  try {
    return await body(coordinator);
  } finally {
    await coordinator.close();
  }
}

async function begin(
  coordinator: TransactionCoordinator,
  participants: readonly ScriptedParticipant[],
): Promise<string> {
  const txid = await coordinator.beginTransaction();
  for (const participant of participants) await coordinator.registerParticipant(txid, participant);
  return txid;
}

/** Not yet ended, where the answer is held. */
async function began(participant: ScriptedParticipant, method: string): Promise<void> {
  await eventually(
    () => (participant.calls.some((call) => call.method === method) ? true : null),
    () => `${participant.name} was never called to ${method}.`,
  );
}

const pair = (
  second: ConstructorParameters<typeof ScriptedParticipant>[1] = {},
): [ScriptedParticipant, ScriptedParticipant] => [
  new ScriptedParticipant('inventory'),
  new ScriptedParticipant('payment', second),
];

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

  it('ends when its time is over, committed by nobody', () =>
    using({}, async (coordinator) => {
      const txid = await coordinator.beginTransaction({ timeoutMs: 20, labels: { order: '7' } });
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

describe('a participant that throws, hangs or lies', () => {
  it('votes abort by throwing from prepare, and is rolled back until it is clean', () =>
    using({ retryDelayMs: 1 }, async (coordinator) => {
      const [inventory, payment] = pair({
        prepare: [throws('The disk is full.')],
        rollback: [false, throws('Not yet.'), true],
      });
      const txid = await begin(coordinator, [inventory, payment]);
      expect(await coordinator.commitTransaction(txid)).toBe(false);
      const result = await coordinator.whenSettled(txid);
      expect(result.reason).toMatchObject({ code: 'VOTED_ABORT', participant: 'payment' });
      expect(result.reason?.message).toContain('The disk is full.');
      expect(payment.of(txid)).toEqual(['prepare', 'rollback', 'rollback', 'rollback']);
      expect(result.participants[1]).toMatchObject({
        prepare: { calls: 1, threw: 'The disk is full.' },
        rollback: { calls: 3, returned: true },
      });
      expect(inventory.of(txid)).toEqual(['prepare', 'rollback']);
    }));

  it.each([undefined, null, 1, 'true', {}, Symbol('true')])(
    'votes abort by returning %s from prepare, and is rolled back',
    (lie) =>
      using({}, async (coordinator) => {
        const [inventory, payment] = pair({ prepare: [() => lie] });
        const txid = await begin(coordinator, [inventory, payment]);
        expect(await coordinator.commitTransaction(txid)).toBe(false);
        const { reason } = await coordinator.whenSettled(txid);
        expect(reason).toMatchObject({ code: 'VOTED_ABORT', participant: 'payment' });
        expect(payment.of(txid)).toEqual(['prepare', 'rollback']);
      }),
  );

  it('is given up when its prepare hangs; a late true changes nothing, and is rolled back', () =>
    using({ prepareTimeoutMs: 20, ackTimeoutMs: 10, retryDelayMs: 1 }, async (coordinator) => {
      const { answer, give } = held();
      let fired = false;
      const [inventory, payment] = pair({
        prepare: [
          (_txid: string, context: { signal: AbortSignal }) => {
            context.signal.addEventListener('abort', () => {
              fired = true;
            });
            return answer();
          },
        ],
      });
      const txid = await begin(coordinator, [inventory, payment]);
      expect(await coordinator.commitTransaction(txid)).toBe(false);
      expect(await coordinator.getTransactionResult(txid)).toMatchObject({
        reason: { code: 'PREPARE_TIMEOUT', participant: 'payment' },
      });
      expect(fired).toBe(true);
      // The rollback was sent several times by now, and waits for the prepare.
      await eventually(
        async () => {
          const { branches } = await coordinator.getTransactionStatus(txid);
          return (branches[1]?.attempts ?? 0) > 3 ? true : null;
        },
        () => 'No repeated rollback.',
      );
      expect(payment.of(txid)).toEqual(['prepare']);
      give(true);
      expect(await coordinator.whenSettled(txid)).toMatchObject({ state: 'ABORTED' });
      expect(payment.of(txid)).toEqual(['prepare', 'rollback']);
      expect(payment.overlapped).toBe(false);
      expect(inventory.of(txid)).toEqual(['prepare', 'rollback']);
    }));

  it('is spared for a while when its prepares hang again and again: transactions with it abort at once', () =>
    using({ prepareTimeoutMs: 10, breakerAfter: 2 }, async (coordinator) => {
      const [inventory, payment] = pair({
        prepare: [
          (_txid: string, { signal }: { signal: AbortSignal }) =>
            new Promise((resolve) => signal.addEventListener('abort', () => resolve(false))),
        ],
      });
      const codes = [];
      let last = '';
      for (let round = 0; round < 3; round += 1) {
        last = await begin(coordinator, [inventory, payment]);
        expect(await coordinator.commitTransaction(last)).toBe(false);
        codes.push((await coordinator.whenSettled(last)).reason?.code);
      }
      expect(codes).toEqual(['PREPARE_TIMEOUT', 'PREPARE_TIMEOUT', 'PARTICIPANT_UNAVAILABLE']);
      expect(inventory.of(last)).toEqual(['rollback']);
      expect(payment.of(last)).toEqual(['rollback']);
    }));

  it('whose late answer is false holds nothing: no rollback is called', () =>
    using({ prepareTimeoutMs: 20 }, async (coordinator) => {
      const { answer, give } = held();
      const [inventory, payment] = pair({ prepare: [answer] });
      const txid = await begin(coordinator, [inventory, payment]);
      expect(await coordinator.commitTransaction(txid)).toBe(false);
      give(false);
      await coordinator.whenSettled(txid);
      expect(payment.of(txid)).toEqual(['prepare']);
    }));

  it('is told again and again to commit what it voted for: the answer is there, attention is raised', () =>
    using({ retryDelayMs: 1, retryDelayMsMax: 2, attentionAfter: 3 }, async (coordinator) => {
      let mended = false;
      const [inventory, payment] = pair({
        commit: [
          () => {
            if (mended) return true;
            throw new Error('I never promised that.');
          },
        ],
      });
      const txid = await begin(coordinator, [inventory, payment]);
      expect(await coordinator.commitTransaction(txid)).toBe(true);
      const status = await eventually(
        async () => {
          const now = await coordinator.getTransactionStatus(txid);
          return now.attention ? now : null;
        },
        () => 'No attention.',
      );
      expect(status.state).toBe('COMMITTING');
      expect(status.branches[1]?.lastError).toContain('I never promised that.');
      expect(await coordinator.unfinished()).toMatchObject([
        { txid, participant: 'payment', decision: 'commit', missing: false },
      ]);
      await expect(coordinator.whenSettled(txid, { timeoutMs: 1 })).rejects.toMatchObject({
        code: 'TIMEOUT',
      });
      mended = true;
      expect(await coordinator.whenSettled(txid)).toMatchObject({ state: 'COMMITTED' });
      expect((await coordinator.getTransactionStatus(txid)).attention).toBe(false);
      expect(await coordinator.unfinished()).toEqual([]);
      expect(inventory.of(txid)).toEqual(['prepare', 'commit']);
      expect(payment.overlapped).toBe(false);
    }));

  it.each([false, undefined, 1])('is called again when commit answers %s', (answer) =>
    using({ retryDelayMs: 1 }, async (coordinator) => {
      const [inventory, payment] = pair({ commit: [answer, answer, true] });
      const txid = await begin(coordinator, [inventory, payment]);
      expect(await coordinator.commitTransaction(txid)).toBe(true);
      const { participants } = await coordinator.whenSettled(txid);
      expect(participants[1]?.commit).toEqual({ calls: 3, returned: true });
    }),
  );

  it('whose commit hangs is not called beside itself', () =>
    using({ ackTimeoutMs: 5, retryDelayMs: 1, attentionAfter: 3 }, async (coordinator) => {
      const { answer, give } = held();
      const [inventory, payment] = pair({ commit: [answer] });
      const txid = await begin(coordinator, [inventory, payment]);
      expect(await coordinator.commitTransaction(txid)).toBe(true);
      await eventually(
        async () => ((await coordinator.getTransactionStatus(txid)).attention ? true : null),
        () => 'No attention.',
      );
      expect(payment.of(txid)).toEqual(['prepare', 'commit']);
      give(true);
      await coordinator.whenSettled(txid);
      expect(payment.of(txid)).toEqual(['prepare', 'commit']);
    }));
});

describe('a coordinator', () => {
  it('refuses options that do not exist or are out of bounds', () => {
    expect(() => new TransactionCoordinator({ prepareTimeout: 5 } as never)).toThrow(RangeError);
    expect(() => new TransactionCoordinator({ prepareTimeoutMs: -1 })).toThrow('prepareTimeoutMs');
  });

  it('rejects every call when its log cannot be opened', async () => {
    const coordinator = new TransactionCoordinator({ log: { kind: 'paper' } as never });
    await expect(coordinator.ready()).rejects.toThrow('log.kind');
    await expect(coordinator.beginTransaction()).rejects.toThrow('log.kind');
    await coordinator.close();
  });

  it('lets what is under way end when it is closed, and takes no more', async () => {
    const coordinator = new TransactionCoordinator();
    const { answer, give } = held();
    const [inventory, payment] = pair({ prepare: [answer] });
    const txid = await begin(coordinator, [inventory, payment]);
    const commit = coordinator.commitTransaction(txid);
    const closed = coordinator.close();
    await expect(coordinator.beginTransaction()).rejects.toMatchObject({ code: 'CLOSED' });
    give(true);
    expect(await commit).toBe(true);
    await closed;
    expect(payment.of(txid)).toEqual(['prepare', 'commit']);
    await expect(coordinator.commitTransaction(txid)).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it('decides and says nothing any more once it met a fault of its own', async () => {
    const fatal: unknown[] = [];
    const coordinator = new TransactionCoordinator({
      onFatal: (error) => fatal.push(error),
      reached: (point) => {
        if (point === 'before-decision') throw new Error('A planted fault.');
      },
    });
    const [inventory, payment] = pair();
    const other = await begin(coordinator, [inventory]);
    const txid = await begin(coordinator, [inventory, payment]);
    await expect(coordinator.commitTransaction(txid)).rejects.toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      acted: 'unknown',
    });
    expect(fatal).toMatchObject([{ message: 'A planted fault.' }]);
    for (const call of [
      () => coordinator.beginTransaction(),
      () => coordinator.commitTransaction(other),
      () => coordinator.getTransactionStatus(txid),
      () => coordinator.recover([inventory]),
      () => coordinator.unfinished(),
    ]) {
      await expect(call()).rejects.toMatchObject({ code: 'INTERNAL' });
    }
    await coordinator.close();
    expect(payment.of(txid)).toEqual(['prepare']);
  });

  it('forgets what participants returned after recentMax transactions', () =>
    using({ recentMax: 2 }, async (coordinator) => {
      const [inventory, payment] = pair();
      const txids: string[] = [];
      for (let round = 0; round < 4; round += 1) {
        const txid = await begin(coordinator, [inventory, payment]);
        txids.push(txid);
        await coordinator.commitTransaction(txid);
        await coordinator.whenSettled(txid);
      }
      const known = [];
      for (const txid of txids) {
        const { outcome, participants } = await coordinator.getTransactionResult(txid);
        expect(outcome).toBe('committed');
        known.push(participants.length);
      }
      expect(known).toEqual([0, 0, 2, 2]);
    }));
});
