/** For each subpath that belongs to a library: its packages, and a program that uses its types. */

export interface LibraryProgram {
  /** What is installed beside Verdict, the library first. */
  readonly packages: readonly string[];
  /** The same as a module and as CommonJS. */
  readonly program: string;
  /** Declarations of this package have faults of their own. */
  readonly faulty?: string;
  /** Nothing is loaded of it: the application brings it. */
  readonly typesOnly?: boolean;
  /** With the first branch, whose database says which of them. */
  readonly loadedLate?: boolean;
}

const common = `import { type PrepareCall, vote } from 'verdict/participant';
interface Payment { readonly owner: string; readonly cents: number }
interface Left { readonly left: number }
`;

export const libraryPrograms: Readonly<Record<string, LibraryProgram>> = {
  'verdict/kysely': {
    packages: ['kysely', 'pg', '@types/pg'],
    program: `${common}
import { type Generated, type Transaction } from 'kysely';
import { kyselyBranch } from 'verdict/kysely';
import { openPostgresqlResource, type PrepareSql } from 'verdict/postgresql';
interface Tables { account: { id: Generated<number>; owner: string; cents: number } }
const prepare = kyselyBranch(async (trx: Transaction<Tables>, { payload }: PrepareCall<Payment>) => {
  const row = await trx.selectFrom('account').selectAll().where('owner', '=', payload.owner).executeTakeFirstOrThrow();
  // @ts-expect-error: no such column
  row.nothing;
  return vote.commit({ left: row.cents });
});
export const typed: PrepareSql<Payment, Left> = prepare;
// @ts-expect-error: another payload
export const other: PrepareSql<{ readonly name: string }, Left> = prepare;
export const resource = openPostgresqlResource({ name: 'a', connection: { host: 'x' }, prepare });
`,
  },
  'verdict/drizzle': {
    packages: ['drizzle-orm', 'pg', '@types/pg', 'mysql2'],
    faulty: 'drizzle-orm',
    program: `${common}
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { int, mysqlTable } from 'drizzle-orm/mysql-core';
import { drizzleBranch, drizzleMysqlBranch } from 'verdict/drizzle';
import { openMariadbResource } from 'verdict/mariadb';
import { type PrepareSql } from 'verdict/postgresql';
const accounts = pgTable('account', { owner: text().primaryKey(), cents: integer().notNull() });
const mysqlAccounts = mysqlTable('account', { id: int().primaryKey(), cents: int().notNull() });
const prepare = drizzleBranch({ schema: { accounts } }, async (tx, { payload }: PrepareCall<Payment>) => {
  const row = await tx.query.accounts.findFirst();
  // @ts-expect-error: no such column
  row?.nothing;
  return vote.commit({ left: (row?.cents ?? 0) - payload.cents });
});
export const typed: PrepareSql<Payment, Left> = prepare;
const prepareMysql = drizzleMysqlBranch({}, async (tx) => {
  const [row] = await tx.select().from(mysqlAccounts);
  // @ts-expect-error: no such column
  row?.nothing;
  return vote.commit({ left: row?.cents });
});
export const resource = openMariadbResource({ name: 'a', connection: { host: 'x' }, prepare: prepareMysql });
`,
  },
  'verdict/knex': {
    packages: ['knex', 'mysql2'],
    program: `${common}
import { knexBranch } from 'verdict/knex';
import { openMariadbResource, type PrepareSql } from 'verdict/mariadb';
const prepare = knexBranch<Payment, Left>(async (trx, { payload: { owner, cents } }) => {
  const taken: number = await trx('account').where({ owner }).decrement('cents', cents);
  // @ts-expect-error: no such method
  trx.nothing();
  return taken === 1 ? vote.commit({ left: taken }) : vote.abort('Too little money.');
});
export const typed: PrepareSql<Payment, Left> = prepare;
// @ts-expect-error: no option of Knex's
knexBranch({ nothing: 1 }, () => vote.commit());
export const resource = openMariadbResource({ name: 'a', connection: { host: 'x' }, prepare });
`,
  },
  'verdict/prisma': {
    packages: ['@prisma/adapter-pg', '@prisma/adapter-mariadb', '@prisma/client'],
    loadedLate: true,
    program: `${common}
import { type PrismaBranchAdapter, prismaBranch, type PrismaLike } from 'verdict/prisma';
declare class PrismaClient {
  constructor(options: { adapter: PrismaBranchAdapter });
  $connect(): Promise<void>;
  $disconnect(): Promise<void>;
  readonly account: { count(): Promise<number> };
}
export const like: PrismaLike = new PrismaClient({ adapter: {} as PrismaBranchAdapter });
export const prepare = prismaBranch(
  (adapter) => new PrismaClient({ adapter }),
  async (prisma, { payload }: PrepareCall<Payment>) => {
    const left: number = await prisma.account.count();
    // @ts-expect-error: no such model
    prisma.nothing;
    // @ts-expect-error: no such field
    payload.nothing;
    return vote.commit({ left });
  },
);
`,
  },
  'verdict/typeorm': {
    packages: ['typeorm', 'mysql2'],
    program: `${common}
import { EntitySchema } from 'typeorm';
import { typeormBranch } from 'verdict/typeorm';
import { openMariadbResource, type PrepareSql } from 'verdict/mariadb';
const accounts = new EntitySchema<{ id: string; cents: number }>({
  name: 'account',
  columns: { id: { type: String, primary: true }, cents: { type: Number } },
});
const prepare = typeormBranch({ type: 'mariadb', entities: [accounts] }, async (manager, { payload }: PrepareCall<Payment>) => {
  const { cents } = await manager.findOneByOrFail(accounts, { id: payload.owner });
  // @ts-expect-error: no such column
  await manager.findOneBy(accounts, { nothing: 1 });
  return vote.commit({ left: cents });
});
export const typed: PrepareSql<Payment, Left> = prepare;
export const resource = openMariadbResource({ name: 'a', connection: { host: 'x' }, prepare });
`,
  },
  'verdict/nestjs': {
    packages: ['@nestjs/common', '@nestjs/core', 'rxjs', 'reflect-metadata'],
    program: `
import { Injectable, Module } from '@nestjs/common';
import { Participant, Transactional, VerdictModule } from 'verdict/nestjs';
@Injectable()
class Orders {
  @Transactional()
  async place(sku: string): Promise<string> { return sku; }
}
@Module({ imports: [VerdictModule.forRoot({ urls: ['127.0.0.1:7070'], name: 'shop' })], providers: [Orders] })
export class AppModule {}
// @ts-expect-error: urls are missing
VerdictModule.forRoot({ name: 'shop' });
export { Participant };
`,
  },
  'verdict/fastify': {
    packages: ['fastify'],
    typesOnly: true,
    program: `
import { fastify } from 'fastify';
import { verdictPlugin } from 'verdict/fastify';
const app = fastify();
app.register(verdictPlugin, { connect: { urls: ['127.0.0.1:7070'], name: 'shop' }, scopeOf: () => 'all' });
app.post('/orders', { config: { idempotency: 'required' } }, async (request) => {
  const order: string | null = await request.verdict.requestId();
  // @ts-expect-error: no such method
  request.verdict.nothing();
  return { order };
});
`,
  },
  'verdict/express': {
    packages: ['express', '@types/express'],
    typesOnly: true,
    program: `
import express from 'express';
import { connect } from 'verdict/client';
import { verdictMiddleware, verdictProblems } from 'verdict/express';
export async function start(): Promise<void> {
  const client = await connect({ urls: ['127.0.0.1:7070'] });
  const app = express();
  app.post('/orders', verdictMiddleware(client, { scopeOf: () => 'all' }), async (request, response) => {
    const order: string | null = await request.verdict.requestId();
    // @ts-expect-error: no such method
    request.verdict.nothing();
    response.json({ order });
  });
  app.use(verdictProblems());
}
`,
  },
  'verdict/testing': {
    packages: [],
    typesOnly: true,
    program: `
import { call, resourceContract, startTestCoordinator } from 'verdict/testing';
export const coordinator = startTestCoordinator();
export { call };
// @ts-expect-error: a harness is missing
resourceContract('a');
`,
  },
};
