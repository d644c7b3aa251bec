/** Libraries with transactions of their own, on the handle of a branch: what they commit is the branch's, what they roll back is gone. */
import { expect, it } from 'vitest';
import { prepareCall, refOf } from '../support/sql-calls.ts';
import { type OpenWork, raise, type Work, type WorkResource } from './sql-resource.ts';

/** Adds to account 1, within a transaction of the library's; throws after that where `thenFails`. */
export type OrmWork = (
  sql: Parameters<Work>[0],
  how: { readonly by: number; readonly thenFails: boolean; readonly nested: boolean },
) => Promise<void>;

export function ormWork(bench: {
  readonly open: (more?: OpenWork) => Promise<WorkResource>;
  readonly balance: () => Promise<number>;
  readonly libraries: Readonly<Record<string, OrmWork>>;
}): void {
  it.each(Object.entries(bench.libraries))('%s', async (_name, work) => {
    const resource = await bench.open();
    const call = prepareCall<Work>(async (sql) => {
      await raise(sql);
      await work(sql, { by: 10, thenFails: false, nested: false });
      await work(sql, { by: 100, thenFails: false, nested: true });
      await work(sql, { by: 1_000, thenFails: true, nested: false }).catch(() => undefined);
      await raise(sql);
    });
    expect(await resource.prepare(call)).toEqual({ vote: 'commit' });
    expect(await bench.balance()).toBe(100);
    await resource.commit(refOf(call));
    expect(await bench.balance()).toBe(212);
  });

  it.each(Object.entries(bench.libraries))('%s: an abort leaves nothing', async (_name, work) => {
    const resource = await bench.open();
    const call = prepareCall<Work>(async (sql) => {
      await work(sql, { by: 10, thenFails: false, nested: false });
      throw new Error('no');
    });
    await expect(resource.prepare(call)).rejects.toThrow('no');
    await resource.rollback(refOf(call));
    expect(await bench.balance()).toBe(100);
  });
}
