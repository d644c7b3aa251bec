/** Decisions of one turn of the event loop: they share writes, and each is answered by its own. */
import { describe, expect, it } from 'vitest';
import { positionOf } from '../../../src/core/txid.ts';
import { type DecideResult, LeadershipLostError } from '../../../src/ports/decision-log.ts';
import { commitOf } from '../../support/logs/stores.ts';
import { collectAll, type LogRig } from './rig.ts';

/** More than any log writes at once. */
const many = 2_000;

export function batching(rig: LogRig, { flushes }: { readonly flushes: boolean }): void {
  /** All in one turn. */
  const decideFrom = (first: number, count: number): Promise<DecideResult>[] =>
    Array.from({ length: count }, (_, index) =>
      rig.leadership.decide(commitOf(rig.txid(first + index))),
    );

  describe('decisions of one turn', () => {
    it('are told each when its own is durable, not with the last', async () => {
      const calls = decideFrom(1, many);
      let told = 0;
      for (const call of calls) {
        call.then(
          () => {
            told += 1;
          },
          () => undefined,
        );
      }
      expect(await calls[0]).toEqual({ type: 'written' });
      // Promises that were settled together have all gone on by then; no other write has ended.
      for (let tick = 0; tick < 50; tick += 1) await undefined;
      if (flushes) expect(told).toBeLessThan(many);
      const results = await Promise.all(calls);
      expect(results.every(({ type }) => type === 'written')).toBe(true);
      expect(await rig.leadership.pending({ after: null, limit: many + 1 })).toHaveLength(many);
    });

    it('of one request are written, and told, in the order of the calls', async () => {
      const told: number[] = [];
      const decide = async (sequence: number): Promise<DecideResult> => {
        const write = commitOf(rig.txid(sequence), { requestId: 'r' });
        const result = await rig.leadership.decide(write);
        told.push(sequence);
        return result;
      };
      const results = await Promise.all([3, 1, 2].map(decide));
      expect(told).toEqual([3, 1, 2]);
      expect(results).toMatchObject([
        { type: 'written' },
        { type: 'duplicate', entry: { txid: rig.txid(3) } },
        { type: 'duplicate', entry: { txid: rig.txid(3) } },
      ]);
    });

    it('have each a fate of its own where the leadership is lost among them', async () => {
      const calls: Promise<DecideResult>[] = [];
      const usurped = rig.fixture.usurp(rig.log, 0);
      let lost = false;
      while (!lost) {
        const turn = decideFrom(calls.length + 1, 100);
        for (const call of turn) {
          call.catch(() => {
            lost = true;
          });
        }
        calls.push(...turn);
        await Promise.allSettled(turn.slice(0, 1));
      }
      const next = await usurped;
      const recorded = new Set<string>();
      for (const { txid } of await next.pending({ after: null, limit: 1_000_000 })) {
        recorded.add(txid);
      }
      for (const [index, settled] of (await Promise.allSettled(calls)).entries()) {
        if (settled.status === 'rejected') {
          expect(settled.reason).toBeInstanceOf(LeadershipLostError);
          continue;
        }
        // What was told is there, whatever became of the others of its turn.
        expect(settled.value).toEqual({ type: 'written' });
        expect(recorded.has(rig.txid(index + 1))).toBe(true);
      }
    });

    it('stand beside what is finished and collected in the same turn', async () => {
      await rig.leadership.decide(commitOf(rig.txid(1), { finished: true }));
      await rig.leadership.decide(commitOf(rig.txid(2)));
      const [, collected, ...decided] = await Promise.all([
        rig.leadership.finish([rig.txid(2)]),
        rig.leadership.collect({ ...collectAll, below: rig.below(3) }),
        ...decideFrom(3, 2),
      ]);
      expect(decided).toEqual([{ type: 'written' }, { type: 'written' }]);
      expect(collected.floor < positionOf(rig.txid(3))).toBe(true);
      const pending = await rig.leadership.pending({ after: null, limit: 10 });
      expect(pending.map(({ txid }) => txid)).toEqual([rig.txid(3), rig.txid(4)]);
    });
  });
}
