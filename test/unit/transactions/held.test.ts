/** What is held of a run that is decided, and of one that is given up when it has prepared. */
import { expect, it } from 'vitest';
import type { SqlDatabase } from '../../../src/resources/sql/database.ts';
import type { BranchUse, OpenBranch } from '../../../src/resources/sql/open-branch.ts';
import { attempt } from '../../../src/transactions/attempt.ts';
import { DatabaseBranches } from '../../../src/transactions/branches.ts';
import { CommitOrder, maxOrderWaitMs } from '../../../src/transactions/commit-order.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

it('a session that was read in is let go, though a database that was written is gone', async () => {
  const clock = new ManualClock();
  let letGo = 0;
  const database = (use: BranchUse): SqlDatabase => {
    const open: Partial<OpenBranch> = {
      endWork: async () => use,
      keep: () => undefined,
      giveUp: async () => {
        letGo += 1;
      },
    };
    return { branch: () => open } as unknown as SqlDatabase;
  };
  const outcome = await attempt(
    {
      clock,
      databases: new Map([
        ['orders', database('wrote')],
        ['stock', database('wrote')],
        ['prices', database('locked')],
      ]),
      coordination: {
        instanceOf: () => 'i',
        begin: async () => ({
          txid: txidOf(1),
          decide: async () => ({ outcome: 'committed', applied: new Promise(() => undefined) }),
          leave: async () => undefined,
        }),
        whenSettled: async () => undefined,
        close: async () => undefined,
      },
      reached: () => undefined,
      timeoutMs: 1_000,
    },
    async () => 'value',
  );
  expect(outcome.outcome).toBe('committed');
  await clock.advance(maxOrderWaitMs - 1);
  expect(letGo).toBe(0);
  await clock.advance(1);
  await settle();
  expect(letGo).toBe(1);
});

it('what was given up when it had prepared is no vote to abort: it may be held', async () => {
  const given = new AbortController();
  const branch: Partial<OpenBranch> = {
    prepare: async () => given.abort(new Error('rolled back')),
    giveUp: async () => undefined,
    // Of an earlier statement, which the function let pass.
    refusalOf: () => ({ again: true, reason: { code: 'CONFLICT', message: 'before' } }),
  };
  const branches = new DatabaseBranches({ name: 'stock' } as SqlDatabase, () => undefined);
  const order = new CommitOrder(new ManualClock(), []);
  branches.expect(txidOf(1), branch as OpenBranch, order);
  await expect(branches.prepare(txidOf(1), given.signal)).rejects.toThrow('rolled back');
});
