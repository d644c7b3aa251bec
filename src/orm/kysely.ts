/**
 * Kysely on a branch. Its handle is a `Transaction`, so that code which asks for one takes it.
 * Kysely itself refuses `transaction()` on those; here it is a savepoint, at every depth.
 *
 * A rollback to a savepoint undoes all that came after it, whoever sent that. On the outermost
 * handle the branch's turns keep others away (turns.ts). Within a transaction of Kysely's all is on
 * one connection. There, what uses the outer handle while an inner transaction is open is told so.
 */
import {
  CompiledQuery,
  type ConnectionProvider,
  ControlledTransactionBuilder,
  type DatabaseConnection,
  type Dialect,
  type DrainOuterGeneric,
  type Driver,
  Kysely,
  type KyselyConfig,
  type KyselyPlugin,
  type KyselyProps,
  MysqlDialect,
  PostgresDialect,
  Transaction,
  TransactionBuilder,
  type TransactionSettings,
} from 'kysely';
import { checkFields, type Fields } from '../core/fields.ts';
import type { LibraryDatabase } from '../resources/sql/guarded-sql.ts';
import type { PrepareSql, Sql } from '../resources/sql/sql.ts';
import { levelRefusedWithin, noStream, type OrmWork, ormBranch } from './branch.ts';

/** What `kyselyBranch` hands to Kysely. */
export interface KyselyBranchOptions {
  /** Such as `new CamelCasePlugin()`. Shared by all branches. */
  readonly plugins?: readonly KyselyPlugin[];
  /** Kysely's own: which events are logged, or a function that gets them. */
  readonly log?: NonNullable<KyselyConfig['log']>;
}

/** The work of one branch, on Kysely's transaction. */
export type KyselyWork<Tables, Payload, Result> = OrmWork<Transaction<Tables>, Payload, Result>;

const optionFields: Fields<Required<KyselyBranchOptions>> = { plugins: 'object', log: 'any' };

/**
 * A `prepare` for `openPostgresqlResource` and `openMariadbResource` that works with Kysely. Name
 * the tables where the handle is taken, and all other types follow:
 *
 * ```ts
 * const resource = await openPostgresqlResource<Payment>({
 *   name: 'payment',
 *   connection,
 *   prepare: kyselyBranch(async (trx: Transaction<Tables>, { payload: { account, cents } }) => {
 *     const { numUpdatedRows } = await trx
 *       .updateTable('account')
 *       .set((is) => ({ cents: is('cents', '-', cents) }))
 *       .where('id', '=', account)
 *       .where('cents', '>=', cents)
 *       .executeTakeFirstOrThrow();
 *     return numUpdatedRows === 1n ? vote.commit() : vote.abort('Too little money.');
 *   }),
 * });
 * ```
 */
export function kyselyBranch<Tables, Payload = unknown, Result = unknown>(
  work: KyselyWork<Tables, Payload, Result>,
): PrepareSql<Payload, Result>;
/** The same with plugins or a log. */
export function kyselyBranch<Tables, Payload = unknown, Result = unknown>(
  options: KyselyBranchOptions,
  work: KyselyWork<Tables, Payload, Result>,
): PrepareSql<Payload, Result>;
export function kyselyBranch<Tables, Payload, Result>(
  ...given: readonly [...options: KyselyBranchOptions[], work: KyselyWork<Tables, Payload, Result>]
): PrepareSql<Payload, Result> {
  const work = given.at(-1) as KyselyWork<Tables, Payload, Result>;
  const options = given.length > 1 ? (given[0] as KyselyBranchOptions) : {};
  checkFields(options, optionFields, 'the options of kyselyBranch');
  const { plugins = [], log } = options;
  return ormBranch((sql, database) => {
    const driver = new BranchDriver(dialectOf(sql, database).createDriver());
    const dialect = withDriver(dialectOf(sql, database), driver);
    const config = { dialect, plugins: [...plugins], ...(log === undefined ? {} : { log }) };
    const executor = new Kysely<Tables>(config).getExecutor();
    return new BranchTransaction<Tables>({ config, dialect, driver, executor });
  }, work);
}

function dialectOf(sql: Sql, { kind, client }: LibraryDatabase): Dialect {
  const pool = client(sql);
  return kind === 'postgresql' ? new PostgresDialect({ pool }) : new MysqlDialect({ pool });
}

function withDriver(dialect: Dialect, driver: Driver): Dialect {
  return {
    createDriver: () => driver,
    createAdapter: () => dialect.createAdapter(),
    createQueryCompiler: () => dialect.createQueryCompiler(),
    createIntrospector: (db) => dialect.createIntrospector(db),
  };
}

/** Kysely's own, without streams: it would ask for a cursor, which a branch has not either. */
class BranchDriver implements Driver {
  readonly #driver: Driver;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  init(): Promise<void> {
    return this.#driver.init();
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await this.#driver.acquireConnection();
    connection.streamQuery = refuseStream;
    return connection;
  }

  releaseConnection(connection: DatabaseConnection): Promise<void> {
    return this.#driver.releaseConnection(connection);
  }

  beginTransaction(connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    return this.#driver.beginTransaction(connection, settings);
  }

  commitTransaction(connection: DatabaseConnection): Promise<void> {
    return this.#driver.commitTransaction(connection);
  }

  rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    return this.#driver.rollbackTransaction(connection);
  }

  savepoint: NonNullable<Driver['savepoint']> = async (...given) =>
    this.#driver.savepoint?.(...given);

  rollbackToSavepoint: NonNullable<Driver['rollbackToSavepoint']> = async (...given) =>
    this.#driver.rollbackToSavepoint?.(...given);

  releaseSavepoint: NonNullable<Driver['releaseSavepoint']> = async (...given) =>
    this.#driver.releaseSavepoint?.(...given);

  /** Nothing is connected. */
  async destroy(): Promise<void> {}
}

// biome-ignore lint/correctness/useYield: it has no rows to give
async function* refuseStream(): AsyncIterableIterator<never> {
  throw new Error(noStream);
}

/** The handle of a branch, and of each transaction within it. */
class BranchTransaction<Tables> extends Transaction<Tables> {
  readonly #props: KyselyProps;
  readonly #names: SavepointNames;
  /** Null for the branch's own handle: there each statement and transaction takes one. */
  readonly #own: OwnConnection | null;

  constructor(
    props: KyselyProps,
    names: SavepointNames = { last: 1 },
    own: OwnConnection | null = null,
  ) {
    super(props);
    this.#props = props;
    this.#names = names;
    this.#own = own;
  }

  override transaction(): TransactionBuilder<Tables> {
    return new BranchTransactionBuilder(this.#inner(), this.#names);
  }

  override startTransaction(): ControlledTransactionBuilder<Tables> {
    return new ControlledTransactionBuilder(this.#inner());
  }

  /** With what a transaction within this one is made. */
  #inner(): KyselyProps {
    if (this.#own === null) return this.#props;
    this.#names.last += 1;
    const driver = new SavepointDriver(this.#props.driver, `verdict_${this.#names.last}`);
    const executor = this.#props.executor.withConnectionProvider(this.#own.forInner);
    return { ...this.#props, driver, executor };
  }

  override withPlugin(plugin: KyselyPlugin): Transaction<Tables> {
    return this.#with(super.withPlugin(plugin));
  }

  override withoutPlugins(): Transaction<Tables> {
    return this.#with(super.withoutPlugins());
  }

  override withSchema(schema: string): Transaction<Tables> {
    return this.#with(super.withSchema(schema));
  }

  // biome-ignore lint/suspicious/noExplicitAny: Kysely's own signature
  override withTables<More extends Record<string, Record<string, any>>>(): Transaction<
    DrainOuterGeneric<Tables & More>
  > {
    return this.#with(super.withTables<More>());
  }

  #with<Others>(other: Transaction<Others>): Transaction<Others> {
    const props = { ...this.#props, executor: other.getExecutor() };
    return new BranchTransaction<Others>(props, this.#names, this.#own);
  }
}

/** Of one branch: a name is used once, so that no release or rollback meets another's. */
interface SavepointNames {
  last: number;
}

class BranchTransactionBuilder<Tables> extends TransactionBuilder<Tables> {
  readonly #props: KyselyProps;
  readonly #names: SavepointNames;

  constructor(props: KyselyProps, names: SavepointNames) {
    super(props);
    this.#props = props;
    this.#names = names;
  }

  override execute<T>(callback: (trx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return super.execute(async (trx) => {
      const executor = trx.getExecutor();
      const own = new OwnConnection(await executor.provideConnection(async (one) => one));
      const props = { ...this.#props, executor: executor.withConnectionProvider(own) };
      return callback(new BranchTransaction<Tables>(props, this.#names, own));
    });
  }
}

/** A transaction's connection. While another one within it is open, only that one sends. */
class OwnConnection implements ConnectionProvider {
  readonly #connection: DatabaseConnection;
  #isInnerOpen = false;

  constructor(connection: DatabaseConnection) {
    this.#connection = connection;
  }

  async provideConnection<T>(use: (connection: DatabaseConnection) => Promise<T>): Promise<T> {
    this.#check();
    return use(this.#connection);
  }

  /** For as long as one within it is open. */
  readonly forInner: ConnectionProvider = {
    provideConnection: async (use) => {
      this.#check();
      this.#isInnerOpen = true;
      try {
        return await use(this.#connection);
      } finally {
        this.#isInnerOpen = false;
      }
    },
  };

  #check(): void {
    if (!this.#isInnerOpen) return;
    throw new Error(
      'Nothing was sent: a transaction within this one is open, whose rollback would undo this as well. Await that one first, or use the handle that it was given.',
    );
  }
}

/** Begins, commits and rolls back one transaction within another. */
class SavepointDriver extends BranchDriver {
  readonly #name: string;

  constructor(driver: Driver, name: string) {
    super(driver);
    this.#name = name;
  }

  override async beginTransaction(
    connection: DatabaseConnection,
    { isolationLevel, accessMode }: TransactionSettings,
  ): Promise<void> {
    if (isolationLevel !== undefined || accessMode !== undefined)
      throw new Error(levelRefusedWithin);
    await this.#run(connection, 'SAVEPOINT');
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await this.#run(connection, 'RELEASE SAVEPOINT');
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await this.#run(connection, 'ROLLBACK TO SAVEPOINT');
    await this.#run(connection, 'RELEASE SAVEPOINT');
  }

  async #run(connection: DatabaseConnection, words: string): Promise<void> {
    await connection.executeQuery(CompiledQuery.raw(`${words} ${this.#name}`));
  }
}
