/**
 * Prisma within a branch: the service's own PrismaClient, whose statements run in the branch's
 * session. A client costs milliseconds (a compiler of queries, which reads the schema), so clients
 * are kept, and each serves one branch at a time: what Prisma batches (`findUnique`) is one
 * branch's. Which session a statement belongs to says the context that it was asked for in, so a
 * client that is used after its branch reaches the session that has ended, and no other branch's.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { SqlDriverAdapterFactory } from '@prisma/client/runtime/client';
import type { PrepareCall, PrepareResult } from '../ports/resource.ts';
import { guardedSql } from '../resources/sql/nested.ts';
import type { PrepareSql, Sql } from '../resources/sql/sql.ts';
import { atEndOfTurn } from '../system/turn.ts';
import { retellAll, withCause } from './cause.ts';
import { type DatabaseKind, kindOf } from './database-kind.ts';
import { untoldCall } from './prisma-text.ts';

/** What is used of a PrismaClient, extended or not. */
export interface PrismaLike {
  /** A client is connected, to the branch, before it is used. */
  $connect(): Promise<void>;
}

type SqlDriverAdapter = Awaited<ReturnType<SqlDriverAdapterFactory['connect']>>;

/** For `new PrismaClient({ adapter })`. */
export type PrismaBranchAdapter = SqlDriverAdapterFactory;

/** What `prismaBranch` takes beside its functions. */
export interface PrismaBranchOptions {
  /** PostgreSQL: the schema of models without `@@schema`. Default: `public`, as Prisma has it. */
  readonly schema?: string;
}

/**
 * A `prepare` for `openPostgresqlResource` or `openMariadbResource` that works with Prisma. `make`
 * is called for as many clients as there are branches at once; each is used again. `$transaction`
 * is a savepoint of the branch.
 *
 * ```ts
 * const prepare = prismaBranch(
 *   (adapter) => new PrismaClient({ adapter }),
 *   async (prisma, { payload }: PrepareCall<Payment>) => {
 *     const { count } = await prisma.account.updateMany({
 *       where: { id: payload.account, cents: { gte: payload.cents } },
 *       data: { cents: { decrement: payload.cents } },
 *     });
 *     return count === 1 ? vote.commit() : vote.abort('Too little money.');
 *   },
 * );
 * ```
 */
export function prismaBranch<Client extends PrismaLike, Payload = unknown, Result = never>(
  make: (adapter: PrismaBranchAdapter) => Client,
  work: (
    prisma: Client,
    call: PrepareCall<Payload>,
    sql: Sql,
  ) => Promise<PrepareResult<Result>> | PrepareResult<Result>,
  options: PrismaBranchOptions = {},
): PrepareSql<Payload, Result> {
  const clients = new Clients(make, options);
  return async (sql, call) => {
    const guarded = guardedSql(sql);
    const kind = await clients.kindOf(sql);
    const session = await connected(sql, kind, options);
    return sessions.run(session, async () => {
      const client = await clients.take();
      try {
        const result = await work(client, call, sql);
        // What was asked for and not awaited is sent now, so that it is found under way.
        await new Promise<void>(atEndOfTurn);
        return result;
      } catch (error) {
        retellAll(error, untoldCall);
        throw withCause(error, () => guarded.failureSaying(databaseTextOf(error)));
      } finally {
        clients.give(client, guarded.turns.taken);
      }
    });
  };
}

/** The branch's, in the context of its work. */
const sessions = new AsyncLocalStorage<SqlDriverAdapter>();

function session(): SqlDriverAdapter {
  const found = sessions.getStore();
  if (found !== undefined) return found;
  throw new Error(
    'This PrismaClient belongs to branches, and was used outside of one. Use it within the function that prismaBranch was given, and a client of its own for all else; within that function, call it from the same asynchronous context (AsyncLocalStorage).',
  );
}

class Clients<Client extends PrismaLike> {
  readonly #make: (adapter: PrismaBranchAdapter) => Client;
  readonly #options: PrismaBranchOptions;
  readonly #idle: Client[] = [];
  readonly #made = new WeakSet<Client>();
  #kind: DatabaseKind | null = null;

  constructor(make: (adapter: PrismaBranchAdapter) => Client, options: PrismaBranchOptions) {
    this.#make = make;
    this.#options = options;
  }

  /** Asked of the first branch. */
  async kindOf(sql: Sql): Promise<DatabaseKind> {
    this.#kind ??= await kindOf(sql);
    return this.#kind;
  }

  async take(): Promise<Client> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    let connections = 0;
    const adapter = branchAdapter(this.#kind as DatabaseKind, this.#options, () => {
      connections += 1;
    });
    const client = this.#make(adapter);
    await client.$connect();
    if (connections === 0 || this.#made.has(client)) {
      throw new TypeError(
        'The first function of prismaBranch must make a client on the adapter that it is given, a new one each time: (adapter) => new PrismaClient({ adapter }). Another client would work outside of the branch.',
      );
    }
    this.#made.add(client);
    return client;
  }

  /** `busy`: a transaction is open on it, which it would go on with. It is left to itself. */
  give(client: Client, busy: boolean): void {
    if (!busy) this.#idle.push(client);
  }
}

function branchAdapter(
  { provider, joins }: DatabaseKind,
  { schema }: PrismaBranchOptions,
  connected: () => void,
): PrismaBranchAdapter {
  const adapterName = 'verdict';
  const adapter: SqlDriverAdapter = {
    provider,
    adapterName,
    queryRaw: async (query) => session().queryRaw(query),
    executeRaw: async (query) => session().executeRaw(query),
    executeScript: async (script) => session().executeScript(script),
    startTransaction: async (level) => session().startTransaction(level),
    getConnectionInfo: () => ({
      supportsRelationJoins: joins,
      ...(schema === undefined ? {} : { schemaName: schema }),
    }),
    dispose: async () => undefined,
  };
  return {
    provider,
    adapterName,
    connect: async () => {
      connected();
      return adapter;
    },
  };
}

/** The branch's session, as Prisma's own adapters see one. */
async function connected(
  sql: Sql,
  { provider, version }: DatabaseKind,
  { schema }: PrismaBranchOptions,
): Promise<SqlDriverAdapter> {
  if (provider === 'postgres') {
    const { PrismaPg } = await import('@prisma/adapter-pg');
    const { ormClient } = await import('../resources/postgresql/orm-client.ts');
    return new PrismaPg(ormClient(sql), schema === undefined ? {} : { schema }).connect();
  }
  const { PrismaMariaDb } = await import('@prisma/adapter-mariadb');
  const { mariadbPool } = await import('./prisma-mariadb-pool.ts');
  return new PrismaMariaDb(mariadbPool(sql, version)).connect();
}

/** What the database said, where Prisma says it in words of its own. */
function databaseTextOf(error: unknown): string | null {
  const { meta } = (error ?? {}) as { readonly meta?: { readonly driverAdapterError?: unknown } };
  const { cause } = (meta?.driverAdapterError ?? error ?? {}) as { readonly cause?: unknown };
  const { originalMessage } = (cause ?? {}) as { readonly originalMessage?: unknown };
  return typeof originalMessage === 'string' ? originalMessage : null;
}
