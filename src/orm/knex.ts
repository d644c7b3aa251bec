/**
 * Knex on a branch. Its handle is a Knex of the branch's own that says it is a transaction, so that
 * `transacting(trx)` takes it. Knex keeps nothing per process but the classes; one costs little.
 *
 * Knex's client takes connections from the branch instead of a pool. A transaction begins on one of
 * them, as Knex begins any. Only those within it are Knex's own savepoints.
 */
import knex, { type Knex } from 'knex';
import { defined } from '../core/defined.ts';
import { checkFields, type Fields } from '../core/fields.ts';
import type { LibraryDatabase } from '../resources/sql/guarded-sql.ts';
import type { PrepareSql, Sql } from '../resources/sql/sql.ts';
import { endsNothing, levelRefusedWithin, noStream, type OrmWork, ormBranch } from './branch.ts';

/** What `knexBranch` hands to Knex. What concerns connections is the resource's. */
export type KnexBranchOptions = Readonly<
  Pick<
    Knex.Config,
    | 'asyncStackTraces'
    | 'compileSqlOnError'
    | 'debug'
    | 'log'
    | 'postProcessResponse'
    | 'useNullAsDefault'
    | 'version'
    | 'wrapIdentifier'
  > & {
    /** As `knex.withUserParams` takes them. */
    readonly userParams?: Readonly<Record<string, unknown>>;
  }
>;

/** The work of one branch, on Knex's transaction. */
export type KnexWork<Payload, Result> = OrmWork<Knex.Transaction, Payload, Result>;

const optionFields: Fields<Required<KnexBranchOptions>> = {
  asyncStackTraces: 'flag',
  compileSqlOnError: 'flag',
  debug: 'flag',
  log: 'object',
  postProcessResponse: 'method',
  useNullAsDefault: 'flag',
  version: 'text',
  wrapIdentifier: 'method',
  userParams: 'object',
};

/**
 * A `prepare` for `openPostgresqlResource` and `openMariadbResource` that works with Knex.
 *
 * ```ts
 * const resource = await openPostgresqlResource<Payment>({
 *   name: 'payment',
 *   connection,
 *   prepare: knexBranch(async (trx, { payload: { account, cents } }) => {
 *     const taken = await trx('account')
 *       .where({ id: account })
 *       .where('cents', '>=', cents)
 *       .decrement('cents', cents);
 *     return taken === 1 ? vote.commit() : vote.abort('Too little money.');
 *   }),
 * });
 * ```
 */
export function knexBranch<Payload = unknown, Result = unknown>(
  work: KnexWork<Payload, Result>,
): PrepareSql<Payload, Result>;
/** The same with options of Knex's. */
export function knexBranch<Payload = unknown, Result = unknown>(
  options: KnexBranchOptions,
  work: KnexWork<Payload, Result>,
): PrepareSql<Payload, Result>;
export function knexBranch<Payload, Result>(
  ...given: readonly [...options: KnexBranchOptions[], work: KnexWork<Payload, Result>]
): PrepareSql<Payload, Result> {
  const work = given.at(-1) as KnexWork<Payload, Result>;
  const options = given.length > 1 ? (given[0] as KnexBranchOptions) : {};
  checkFields(options, optionFields, 'the options of knexBranch');
  return ormBranch((sql, database) => handleOn(sql, database, options), work);
}

interface Connection {
  release(): void;
}

/** What is used here of Knex's client, whose types say nothing of it. */
interface Client {
  readonly config: { readonly branch: () => Promise<Connection> };
  transacting?: boolean;
  transaction(...given: TransactionArguments): unknown;
}

type TransactionArguments = readonly [
  container: unknown,
  config?: Knex.TransactionConfig | undefined,
  outer?: unknown,
];

function handleOn(
  sql: Sql,
  { kind, client: clientOf }: LibraryDatabase,
  options: KnexBranchOptions,
): Knex.Transaction {
  const pool = clientOf(sql);
  const branch = (): Promise<Connection> =>
    kind === 'postgresql' ? pool.connect() : pool.getConnection();
  // What a prepare throws is the text of its vote: values are no one else's, unless told otherwise.
  const given = { compileSqlOnError: false, ...defined(options) };
  const on = knex({ ...given, client: classOf(kind), branch } as Knex.Config);
  const client = on.client as Client;
  // What begins here gets a connection and begins there. `transacting` would make it a savepoint of
  // a transaction on the same connection.
  const outer: Client = Object.create(client, { transacting: { value: false } });
  const { transaction } = client;
  client.transaction = (...given) => transaction.apply(outer, [...given]);
  client.transacting = true;
  const refusing = (word: string) => (): Promise<never> => Promise.reject(endsNothing(word));
  return Object.defineProperties(on, {
    isTransaction: { value: true },
    isCompleted: { value: () => false },
    savepoint: { value: on.transaction.bind(on) },
    commit: { value: refusing('commit()') },
    rollback: { value: refusing('rollback()') },
    executionPromise: { get: refusing('executionPromise') },
  }) as Knex.Transaction;
}

const drivers: Readonly<Record<LibraryDatabase['kind'], string>> = {
  postgresql: 'pg',
  mariadb: 'mysql2',
};
const classes = new Map<LibraryDatabase['kind'], typeof Knex.Client>();

/** Knex's client for the database. Without a connection it loads no driver. */
function classOf(kind: LibraryDatabase['kind']): typeof Knex.Client {
  const known = classes.get(kind);
  if (known !== undefined) return known;
  const made = branchClient(knex({ client: drivers[kind] }).client.constructor);
  classes.set(kind, made);
  return made;
}

// biome-ignore lint/suspicious/noExplicitAny: Knex types neither its clients nor their methods
function branchClient(base: any): typeof Knex.Client {
  return class extends base {
    acquireConnection(): Promise<Connection> {
      return (this as unknown as Client).config.branch();
    }

    async releaseConnection(connection: Connection): Promise<void> {
      connection.release();
    }

    transaction(...given: TransactionArguments): unknown {
      const [, config] = given;
      if (config?.isolationLevel !== undefined || config?.readOnly === true)
        return Promise.reject(new Error(levelRefusedWithin));
      return super.transaction(...given);
    }

    /** For a time-out with `cancel`. */
    async acquireRawConnection(): Promise<never> {
      throw new Error(
        'A statement of a branch cannot be cancelled alone: leave out "cancel". The transaction\'s own time-out ends it.',
      );
    }

    async _stream(
      _connection: unknown,
      _query: unknown,
      stream: { destroy(error: Error): void },
    ): Promise<void> {
      stream.destroy(new Error(noStream));
    }
  } as unknown as typeof Knex.Client;
}
