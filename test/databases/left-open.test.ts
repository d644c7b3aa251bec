/**
 * A raw "begin" through a library opens a transaction on a connection that no one gets again, and a
 * handle of a transaction that is over may be used: neither writes to the branch.
 */
import { sql as raw, type Transaction } from 'kysely';
import { describe, expect, it } from 'vitest';
import { drizzleBranch, drizzleMysqlBranch } from '../../src/drizzle.ts';
import { knexBranch } from '../../src/knex.ts';
import { kyselyBranch } from '../../src/kysely.ts';
import { vote } from '../../src/participant.ts';
import type { PrepareSql } from '../../src/postgresql.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';
import { prepareCall } from '../support/resources/sql-calls.ts';
import type { Work, WorkResource } from './sql-resource.ts';
import { workOnMariadb, workOnPostgresql } from './work-bench.ts';

const tables = ['CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)'];
const insert = 'INSERT INTO account VALUES (1, 100)';

/** Each with another statement after it, or none. */
const branches: readonly [string, (more: boolean) => PrepareSql<Work, unknown>][] = [
  [
    'Kysely',
    (more) =>
      kyselyBranch(async (trx: Transaction<unknown>) => {
        await raw`begin`.execute(trx);
        if (more) await raw.raw(insert).execute(trx);
        return vote.commit();
      }),
  ],
  [
    'Knex',
    (more) =>
      knexBranch(async (trx) => {
        await trx.raw('begin');
        if (more) await trx.raw(insert);
        return vote.commit();
      }),
  ],
];

/** As Drizzle's, of either database. */
interface Handle {
  execute(statement: string): PromiseLike<unknown>;
  transaction(work: (tx: Handle) => Promise<void>): Promise<void>;
}

/** Rolled back, and used again. */
async function late(tx: Handle) {
  let inner: Handle | undefined;
  const rolledBack = tx.transaction(async (one) => {
    inner = one;
    throw new Error('no');
  });
  await rolledBack.catch(() => undefined);
  await inner?.execute(insert);
  return vote.commit();
}

function leftOpen(
  open: (prepare: PrepareSql<Work, unknown>) => Promise<WorkResource>,
  drizzle: PrepareSql<Work, unknown>,
): void {
  it('what Drizzle sends on the handle of a transaction that was rolled back is refused', async () => {
    const resource = await open(drizzle);
    const prepared = Promise.resolve(resource.prepare(prepareCall<Work>(async () => undefined)));
    await expect(prepared).rejects.toMatchObject({
      cause: { message: expect.stringContaining('its connection was given back') },
    });
  });

  it.each(branches)('%s is told so at once', async (_library, branch) => {
    for (const more of [true, false]) {
      const resource = await open(branch(more));
      const beganMs = performance.now();
      await expect(resource.prepare(prepareCall<Work>(async () => undefined))).rejects.toThrow(
        /"begin" began a transaction .* Use the library's own transaction\(\) instead/,
      );
      expect(performance.now() - beganMs).toBeLessThan(2_000);
    }
  });
}

describe('on PostgreSQL', () => {
  const { openWith } = workOnPostgresql(tables.join(';'));
  leftOpen(
    (prepare) => openWith(prepare),
    drizzleBranch({}, (tx) => late(tx as unknown as Handle)),
  );
});

describe.skipIf((await mariadbMissing()) !== null)('on MariaDB', () => {
  const { openWith } = workOnMariadb(tables);
  leftOpen(
    (prepare) => openWith(prepare),
    drizzleMysqlBranch({}, (tx) => late(tx as unknown as Handle)),
  );
});
