import { describe, expect, it } from 'vitest';
import { held, throws } from '../../support/library/embedded-participant.ts';
import { begin, pair, using } from '../../support/library/embedded-rig.ts';
import { eventually } from '../../support/process/child.ts';

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
    using({ retryDelayMs: 1, maxRetryDelayMs: 2, attentionAfter: 3 }, async (coordinator) => {
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
