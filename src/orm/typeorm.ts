/**
 * TypeORM within a branch. A DataSource, whose metadata are costly, is made once for the process.
 * Where its connections come from says the context in which one is asked for: the branch's session.
 * What is used after its branch reaches the session that has ended, and no other branch's.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { DataSource, type DataSourceOptions, type EntityManager } from 'typeorm';
import type { PrepareCall, PrepareResult } from '../ports/resource.ts';
import { guardedSql } from '../resources/sql/nested.ts';
import type { PrepareSql, Sql } from '../resources/sql/sql.ts';
import { atEndOfTurn } from '../system/turn.ts';
import { withCause } from './cause.ts';
import { kindOf } from './database-kind.ts';
import { type BranchPool, mysqlDriver, postgresDriver } from './typeorm-drivers.ts';

/** TypeORM's own, of a database. */
type OptionsOf<Type> = Extract<DataSourceOptions, { readonly type: Type }>;

/** What would work outside of the branch, or change the branch's transaction. */
type NotInBranch =
  | 'synchronize'
  | 'dropSchema'
  | 'migrationsRun'
  | 'cache'
  | 'isolationLevel'
  | 'replication'
  | 'driver';

/** TypeORM's own options, but for the connection's: that is the resource's. */
export type TypeormBranchOptions =
  | Omit<OptionsOf<'postgres'>, NotInBranch>
  | Omit<OptionsOf<'mysql' | 'mariadb'>, NotInBranch>;

/**
 * A `prepare` for `openPostgresqlResource` (`type: 'postgres'`) or `openMariadbResource`
 * (`'mariadb'`, `'mysql'`) that works with TypeORM. `manager.transaction` is a savepoint.
 *
 * ```ts
 * const prepare = typeormBranch(
 *   { type: 'postgres', entities: [Account] },
 *   async (manager, { payload }: PrepareCall<Payment>) => {
 *     const account = await manager.findOneByOrFail(Account, { id: payload.account });
 *     account.cents -= payload.cents;
 *     await manager.save(account);
 *     return account.cents >= 0 ? vote.commit() : vote.abort('Too little money.');
 *   },
 * );
 * ```
 */
export function typeormBranch<Payload = unknown, Result = never>(
  options: TypeormBranchOptions,
  work: (
    manager: EntityManager,
    call: PrepareCall<Payload>,
    sql: Sql,
  ) => Promise<PrepareResult<Result>> | PrepareResult<Result>,
): PrepareSql<Payload, Result> {
  const source = new Source(checked(options));
  return async (sql, call) => {
    guardedSql(sql);
    const pool = await source.poolOn(sql);
    return pools.run(pool, async () => {
      try {
        const { manager } = await source.ready(sql);
        const result = await work(manager, call, sql);
        // What was asked for and not awaited is sent now, so that it is found under way.
        await new Promise<void>(atEndOfTurn);
        return result;
      } catch (error) {
        throw withCause(error, () => (error as { readonly driverError?: unknown }).driverError);
      }
    });
  };
}

/** The branch's, in the context of its work. */
const pools = new AsyncLocalStorage<BranchPool>();

function pool(): BranchPool {
  const found = pools.getStore();
  if (found !== undefined) return found;
  throw new Error(
    'This EntityManager belongs to branches, and was used outside of one. Use it within the function that typeormBranch was given, and a DataSource of its own for all else; within that function, call it from the same asynchronous context (AsyncLocalStorage).',
  );
}

class Source {
  readonly #options: TypeormBranchOptions;
  #ready: DataSource | null = null;
  #making: Promise<DataSource> | null = null;

  constructor(options: TypeormBranchOptions) {
    this.#options = options;
  }

  async poolOn(sql: Sql): Promise<BranchPool> {
    const { ormClient } =
      this.#options.type === 'postgres'
        ? await import('../resources/postgresql/orm-client.ts')
        : await import('../resources/mariadb/orm-client.ts');
    return ormClient(sql) as BranchPool;
  }

  /** It asks the database for its version on the session of the first branch. */
  async ready(sql: Sql): Promise<DataSource> {
    while (this.#ready === null) {
      if (this.#making === null) {
        this.#making = this.#make(sql).finally(() => {
          this.#making = null;
        });
        return await this.#making;
      }
      // Another branch's: where that fails, this one asks by itself.
      await this.#making.catch(() => undefined);
    }
    return this.#ready;
  }

  async #make(sql: Sql): Promise<DataSource> {
    const { type } = this.#options;
    const { provider } = await kindOf(sql);
    if ((provider === 'postgres') !== (type === 'postgres')) {
      throw new TypeError(
        `typeormBranch was given type '${type}', but the resource's database is ${provider === 'postgres' ? 'PostgreSQL' : 'MariaDB or MySQL'}. Set type to '${provider === 'postgres' ? 'postgres' : 'mariadb'}'${provider === 'postgres' ? '' : " or 'mysql'"}.`,
      );
    }
    const driver = await (type === 'postgres'
      ? postgresDriver(pool)
      : mysqlDriver(pool, this.#options as OptionsOf<'mysql' | 'mariadb'>));
    const more = type === 'postgres' ? { installExtensions: false } : {};
    const source = new DataSource({ ...this.#options, ...more, driver } as DataSourceOptions);
    this.#ready = await source.initialize();
    for (const [name, why] of Object.entries(notOfOneBranch)) {
      const refuse = async (): Promise<never> => {
        throw new Error(`${name}() was refused: ${why}.`);
      };
      Object.defineProperty(source, name, { value: refuse });
    }
    return source;
  }
}

const types: readonly string[] = ['postgres', 'mysql', 'mariadb'];
const refused: Readonly<Record<NotInBranch, string>> = {
  synchronize: 'the schema changes outside of branches: migrate in "ready" of serveParticipant',
  dropSchema: 'the schema changes outside of branches: migrate in "ready" of serveParticipant',
  migrationsRun: 'the schema changes outside of branches: migrate in "ready" of serveParticipant',
  cache: 'a decision must not rest on what an earlier branch read',
  isolationLevel: 'set "isolation" of openPostgresqlResource or openMariadbResource',
  replication: 'a branch has one session, on the primary',
  driver: "the branch's session is the driver",
};

const migrateElsewhere =
  'the schema changes outside of branches: migrate in "ready" of serveParticipant, with a DataSource of its own';
/** Methods of the DataSource. */
const notOfOneBranch: Readonly<Record<string, string>> = {
  destroy: 'the DataSource is shared by all branches, and ends with the process',
  synchronize: migrateElsewhere,
  dropDatabase: migrateElsewhere,
  runMigrations: migrateElsewhere,
  undoLastMigration: migrateElsewhere,
};

function checked(options: TypeormBranchOptions): TypeormBranchOptions {
  if (!types.includes(options.type)) {
    throw new TypeError(
      `type must be one of '${types.join("', '")}', not ${JSON.stringify(options.type)}.`,
    );
  }
  for (const [name, why] of Object.entries(refused)) {
    if ((options as Readonly<Record<string, unknown>>)[name])
      throw new TypeError(`typeormBranch takes no option "${name}": ${why}. Leave it away.`);
  }
  return options;
}
