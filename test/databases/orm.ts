/**
 * Libraries with transactions of their own, on the handle of a branch: what they commit is the
 * branch's, what they roll back is gone.
 */
import { describe, expect, it } from 'vitest';
import type { Sql } from '../../src/postgresql.ts';
import { prepareCall, refOf, Stop } from '../support/resources/sql-calls.ts';
import { raise, type SqlBench, type Work } from './sql-resource.ts';

export interface OrmTransaction {
  /** To account 1. */
  readonly add: (by: number) => Promise<void>;
  /** In a transaction within this one, where the library nests them by itself. */
  readonly nested?: (body: OrmBody) => Promise<void>;
}

export type OrmBody = (tx: OrmTransaction) => Promise<void>;

export interface OrmHandle extends OrmTransaction {
  readonly transaction: (body: OrmBody) => Promise<void>;
  /** With an isolation level of its own. */
  readonly withLevel: (body: OrmBody) => Promise<void>;
}

export interface OrmBench
  extends Pick<SqlBench, 'open' | 'balance' | 'raiseById' | 'deadlockIsolation'> {
  readonly libraries: Readonly<Record<string, (sql: Sql) => OrmHandle>>;
}

const fails: OrmBody = () => Promise.reject(new Error('on purpose'));

/** Long enough for all that is under way beside it to get as far as it can. */
async function lingers(tx: OrmTransaction): Promise<void> {
  for (let round = 0; round < 10; round += 1) await tx.add(0);
}

export function ormWork({
  open,
  balance,
  libraries,
  raiseById,
  deadlockIsolation: isolation,
}: OrmBench): void {
  /** What a branch with this work adds to the account; or why it aborts. */
  async function added(work: Work, timeoutMs = 30_000): Promise<number | string> {
    const resource = await open();
    const call = prepareCall<Work>(work, { timeoutMs });
    try {
      const { vote } = await resource.prepare(call);
      expect(vote).toBe('commit');
    } catch (error) {
      await resource.rollback(refOf(call));
      expect(await balance()).toBe(100);
      return (error as Error).message;
    }
    await resource.commit(refOf(call));
    return (await balance()) - 100;
  }

  describe.each(Object.entries(libraries))('%s', (_name, on) => {
    it('commits and rolls back within the branch', async () => {
      const work: Work = async (sql) => {
        const db = on(sql);
        await raise(sql);
        await db.transaction((tx) => tx.add(10));
        await db.transaction(async (tx) => {
          await (tx.nested ?? ((body) => body(tx)))((inner) => inner.add(100));
          await tx
            .nested?.((inner) => inner.add(5).then(() => fails(inner)))
            .catch(() => undefined);
        });
        await db.transaction((tx) => tx.add(1_000).then(() => fails(tx))).catch(() => undefined);
        await raise(sql);
      };
      expect(await added(work)).toBe(112);
    });

    it('an abort leaves nothing', async () => {
      const work: Work = async (sql) => {
        await on(sql).transaction((tx) => tx.add(10));
        throw new Error('no');
      };
      expect(await added(work)).toBe('no');
    });

    it('a deadlock within it has the branch run again, and both go through', async () => {
      const resource = await open({
        lockWaitMs: 20_000,
        ...(isolation === undefined ? {} : { isolation }),
      });
      const [first, second] = [new Stop(), new Stop()];
      const loses = prepareCall<Work>(async (sql) => {
        await sql.query(raiseById, [2]);
        await first.here();
        await on(sql).transaction((tx) => tx.add(10));
      });
      // The server gives up the one that has changed less.
      const wins = prepareCall<Work>(async (sql) => {
        for (let round = 0; round < 5; round += 1) await sql.query(raiseById, [1]);
        await second.here();
        await sql.query(raiseById, [2]);
      });
      const calls = [loses, wins];
      const both = calls.map((call) => resource.prepare(call));
      await Promise.all([first.reached, second.reached]);
      first.goOn();
      second.goOn();
      const ends = calls.map(async (call, index) => {
        expect(await both[index]).toEqual({ vote: 'commit' });
        await resource.commit(refOf(call));
      });
      await Promise.all(ends);
      expect(await balance()).toBe(115);
    });

    it.each([
      ['on one handle', false],
      ['on handles of their own', true],
    ])('two transactions at once, %s: a rollback undoes its own', async (_what, apart) => {
      const work: Work = async (sql) => {
        const db = on(sql);
        const other = apart ? on(sql) : db;
        const [first, second, third] = await Promise.allSettled([
          db.transaction((tx) =>
            tx
              .add(10)
              .then(() => lingers(tx))
              .then(() => fails(tx)),
          ),
          other.transaction((tx) => tx.add(100)),
          db.transaction((tx) => tx.add(1_000)),
        ]);
        expect([first, second, third].map(({ status }) => status)).toEqual([
          'rejected',
          'fulfilled',
          'fulfilled',
        ]);
      };
      expect(await added(work)).toBe(1_100);
    });

    it('a statement outside of it waits for an open transaction, and outlives its rollback', async () => {
      const work: Work = async (sql) => {
        const db = on(sql);
        const stop = new Stop();
        const failing = db.transaction(async (tx) => {
          await tx.add(10);
          await stop.here();
          await lingers(tx);
          await fails(tx);
        });
        await stop.reached;
        const outside = db.add(100);
        stop.goOn();
        await expect(failing).rejects.toThrow('on purpose');
        await outside;
      };
      expect(await added(work)).toBe(100);
    });

    it('the outer handle within a transaction: told, within its limit, and nothing was sent', async () => {
      const work: Work = async (sql) => {
        const db = on(sql);
        const told: unknown[] = [];
        const hear = (error: unknown) => void told.push(causes(error));
        await db.transaction(async (tx) => {
          await tx.add(10);
          await db.add(100).catch(hear);
          await db.transaction((inner) => inner.add(1_000)).catch(hear);
        });
        const text = /was not sent: another transaction .* not the outer one/;
        expect(told).toEqual([expect.stringMatching(text), expect.stringMatching(text)]);
      };
      expect(await added(work, 2_000)).toBe(10);
    });

    it('sql itself beside an open transaction: refused, before anything is sent', async () => {
      const work: Work = async (sql) => {
        const db = on(sql);
        await db.transaction(async (tx) => {
          await tx.add(10);
          await expect(raise(sql)).rejects.toThrow(/"UPDATE .* was not sent: .* Await that/);
        });
        await raise(sql);
      };
      expect(await added(work)).toBe(11);
    });

    it('the same without await: the branch aborts, with that text', async () => {
      const work: Work = async (sql) => {
        await on(sql).transaction(async (tx) => {
          await tx.add(10);
          void raise(sql);
          await lingers(tx);
        });
      };
      expect(await added(work)).toMatch(/not awaited, and failed: "UPDATE .* was not sent/);
    });

    it('a transaction that is open when prepare returns: abort', async () => {
      const work: Work = async (sql) => {
        const stop = new Stop();
        const open_ = on(sql).transaction((tx) => tx.add(10).then(() => stop.here()));
        open_.catch(() => undefined);
        await stop.reached;
      };
      expect(await added(work)).toMatch(/returned while a transaction .* was open/);
    });

    it('one that waits for its turn when prepare returns: abort', async () => {
      const work: Work = async (sql) => {
        const db = on(sql);
        await db.transaction(async (tx) => {
          await tx.add(10);
          db.transaction((other) => other.add(100)).catch(() => undefined);
          await lingers(tx);
        });
      };
      expect(await added(work)).toMatch(/The function returned (before|while)/);
    });

    it('an isolation level of its own: told which option sets it', async () => {
      const work: Work = async (sql) => {
        const db = on(sql);
        await db
          .withLevel((tx) => tx.add(10))
          .catch((error: unknown) => {
            throw new Error(causes(error));
          });
      };
      expect(await added(work)).toMatch(/cannot be changed within it.*option "isolation"/);
    });
  });
}

/** Libraries put the cause into an error of their own. */
function causes(error: unknown): string {
  const { message, cause } = error as Error;
  return cause === undefined ? message : `${message}: ${causes(cause)}`;
}
