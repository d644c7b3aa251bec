/** The rows that prove commits, on both databases: how long they are kept, and whose they are. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/ports/clock.ts';
import { systemClock } from '../../src/system/clock.ts';
import { prepareCall, refOf } from '../support/resources/sql-calls.ts';
import { raise, type SqlBench, type WorkResource } from './sql-resource.ts';

export interface RowsBench extends Pick<SqlBench, 'open' | 'otherName'> {
  /** The names of all rows. */
  readonly rows: () => Promise<readonly string[]>;
  /** As if the row of this transaction had been marked so long ago. */
  readonly age: (txid: string, days: number) => Promise<void>;
}

const minuteMs = 60_000;
/** They go behind the commit's back. */
const waitMs = { timeout: 10_000 };
/** Fewer are not worth a statement of their own. */
const batchMin = 64;

export function outcomeRows({ open, otherName, rows, age }: RowsBench): void {
  async function commitOn(resource: WorkResource): Promise<ReturnType<typeof refOf>> {
    const call = prepareCall(raise);
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    await resource.commit(refOf(call));
    return refOf(call);
  }

  describe('rows that prove a commit', () => {
    it('go ten minutes after their branch was forgotten, many at once, and not before', async () => {
      let aheadMs = 0;
      const clock: Clock = {
        monotonicMs: () => systemClock.monotonicMs() + aheadMs,
        wallMs: () => systemClock.wallMs(),
        setTimer: (delayMs, callback) => systemClock.setTimer(delayMs, callback),
      };
      const resource = await open({ clock });
      const committed = [];
      for (let count = 1; count <= batchMin; count += 1) committed.push(await commitOn(resource));
      // The coordinator may send these again, and to another process.
      aheadMs = 60 * minuteMs;
      const kept = await commitOn(resource);
      for (const branch of committed) resource.forgotten?.(branch);
      aheadMs = 69 * minuteMs;
      const young = await commitOn(resource);
      resource.forgotten?.(young);
      // Time enough to delete them, were they due.
      await sleep(300);
      expect(await rows()).toHaveLength(batchMin + 2);
      aheadMs = 71 * minuteMs;
      const last = await commitOn(resource);
      await expect.poll(rows, waitMs).toHaveLength(3);
      // These are known still.
      for (const branch of [kept, young, last]) await resource.commit(branch);
    });

    it('of a process before go a week after they were seen, and those of others not at all', async () => {
      const before = await open();
      const [old, young] = [await commitOn(before), await commitOn(before)];
      const other = await open({ name: otherName() });
      const theirs = await commitOn(other);
      // Each process marks at its first commit what is not marked yet.
      await age(old.txid, 8);
      await age(young.txid, 6);
      await age(theirs.txid, 8);
      const after = await open();
      const fresh = await commitOn(after);
      const kept = [young, theirs, fresh].map(({ txid }) => txid);
      await expect
        .poll(async () => {
          const names = await rows();
          return [names.length, kept.every((txid) => names.some((name) => name.includes(txid)))];
        }, waitMs)
        .toEqual([3, true]);
      await after.commit(young);
      await expect(after.commit(old)).rejects.toThrow();
    });
  });
}
