/** Five libraries and `sql` itself as ways to send a text, for around-branch.ts. */
import { sql as drizzleSql } from 'drizzle-orm';
import { sql as kyselySql, type Transaction } from 'kysely';
import { drizzleBranch, drizzleMysqlBranch } from '../../src/drizzle.ts';
import { knexBranch } from '../../src/knex.ts';
import { kyselyBranch } from '../../src/kysely.ts';
import { vote } from '../../src/participant.ts';
import type { PrepareSql, Sql } from '../../src/postgresql.ts';
import { prismaBranch } from '../../src/prisma.ts';
import { typeormBranch } from '../../src/typeorm.ts';
import type { AnyClient } from './prisma-work.ts';

export type Send = (text: string) => Promise<unknown>;
/** A statement with values, each bound as the library binds them. What the library returns. */
export type Run = (pieces: TemplateStringsArray, ...values: unknown[]) => Promise<unknown>;

export interface AroundHandle {
  /** On the branch's own handle. */
  readonly send: Send;
  readonly run: Run;
  /** In a transaction of the library's, or what `sql` itself has for one. */
  readonly nested: (body: (send: Send) => Promise<unknown>) => Promise<unknown>;
}

/** A branch's payload. It votes to commit. */
export type Around = (on: AroundHandle, sql: Sql) => Promise<unknown>;

type Kind = 'postgresql' | 'mariadb';
type Prepare = PrepareSql<Around, unknown>;

/** With the placeholders of the database's driver. */
function withPlaceholders(kind: Kind, pieces: readonly string[]): string {
  return pieces.reduce((text, piece, at) => {
    return `${text}${kind === 'postgresql' ? `$${at}` : '?'}${piece}`;
  });
}

const plain =
  (kind: Kind): Prepare =>
  async (sql, { payload }) => {
    const send: Send = (text) => sql.query(text);
    const nested: AroundHandle['nested'] = async (body) => {
      await send('SAVEPOINT own');
      await body(send);
      await send('RELEASE SAVEPOINT own');
    };
    const run: Run = (pieces, ...values) => sql.query(withPlaceholders(kind, pieces), values);
    await payload({ send, run, nested }, sql);
    return vote.commit();
  };

const kysely: Prepare = kyselyBranch(async (trx: Transaction<unknown>, { payload }, sql) => {
  const on = (db: Transaction<unknown>): Send => {
    return (text) => kyselySql.raw(text).execute(db);
  };
  const nested: AroundHandle['nested'] = (body) => trx.transaction().execute((tx) => body(on(tx)));
  const run: Run = (...given) => kyselySql(...given).execute(trx);
  await payload({ send: on(trx), run, nested }, sql);
  return vote.commit();
});

interface DrizzleOn {
  execute(text: unknown): PromiseLike<unknown>;
  transaction(body: (tx: DrizzleOn) => Promise<unknown>): Promise<unknown>;
}

async function drizzleWork(tx: DrizzleOn, payload: Around, sql: Sql) {
  const on = (db: DrizzleOn): Send => {
    return async (text) => db.execute(drizzleSql.raw(text));
  };
  const nested: AroundHandle['nested'] = (body) => tx.transaction((inner) => body(on(inner)));
  const run: Run = async (...given) => tx.execute(drizzleSql(...given));
  await payload({ send: on(tx), run, nested }, sql);
  return vote.commit();
}

const knex: Prepare = knexBranch(async (trx, { payload }, sql) => {
  const nested: AroundHandle['nested'] = (body) =>
    trx.transaction((tx) => body((text) => tx.raw(text).then()));
  const run: Run = (pieces, ...values) => trx.raw(pieces.join('?'), values as never).then();
  await payload({ send: (text) => trx.raw(text).then(), run, nested }, sql);
  return vote.commit();
});

export function aroundLibraries(
  kind: Kind,
  PrismaClient: new (options: object) => AnyClient,
): Readonly<Record<string, Prepare>> {
  return {
    'sql itself': plain(kind),
    Kysely: kysely,
    Drizzle:
      kind === 'postgresql'
        ? drizzleBranch({}, (tx, { payload }, sql) => drizzleWork(tx as never, payload, sql))
        : drizzleMysqlBranch({}, (tx, { payload }, sql) => drizzleWork(tx as never, payload, sql)),
    Knex: knex,
    Prisma: prismaBranch<AnyClient, Around, unknown>(
      (adapter) => new PrismaClient({ adapter }),
      async (prisma, { payload }, sql) => {
        const on = (db: AnyClient): Send => {
          return (text) => db['$executeRawUnsafe'](text);
        };
        const nested: AroundHandle['nested'] = (body) =>
          prisma['$transaction']((tx: AnyClient) => body(on(tx)));
        const run: Run = (...given) => prisma['$queryRaw'](...given);
        await payload({ send: on(prisma), run, nested }, sql);
        return vote.commit();
      },
    ),
    TypeORM: typeormBranch<Around, unknown>(
      { type: kind === 'postgresql' ? 'postgres' : 'mariadb' },
      async (manager, { payload }, sql) => {
        const nested: AroundHandle['nested'] = (body) =>
          manager.transaction((tx) => body((text) => tx.query(text)));
        const run: Run = (pieces, ...values) =>
          manager.query(withPlaceholders(kind, pieces), values);
        await payload({ send: (text) => manager.query(text), run, nested }, sql);
        return vote.commit();
      },
    ),
  };
}
