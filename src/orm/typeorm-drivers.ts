/** What TypeORM takes for the packages `pg` and `mysql2`: each connection is a branch's. */

type Taken = (error: unknown, connection?: unknown, release?: unknown) => void;

/** As `ormClient(sql)` makes them: of PostgreSQL, or of MariaDB. */
export interface BranchPool {
  connect(done: Taken): void;
  getConnection(): Promise<MysqlConnection>;
}

interface MysqlConnection {
  query(statement: object, values?: readonly unknown[]): Promise<unknown>;
  release(): void;
}

/** How rows are read, which TypeORM says when it makes its pool. */
interface MysqlReading {
  readonly supportBigNumbers?: boolean;
  readonly bigNumberStrings?: boolean;
  readonly dateStrings?: boolean | readonly string[];
  readonly timezone?: string;
}

const nothing = (): void => undefined;

export async function postgresDriver(pool: () => BranchPool): Promise<object> {
  const { default: pg } = await import('pg');
  return {
    types: pg.types,
    Pool: class {
      on = nothing;

      connect(done: Taken): void {
        taken(done, () => pool().connect(done));
      }

      end(done: Taken): void {
        done(null);
      }
    },
  };
}

export async function mysqlDriver(
  pool: () => BranchPool,
  { supportBigNumbers = true, bigNumberStrings = true, dateStrings, timezone }: MysqlReading,
): Promise<object> {
  const reading = { supportBigNumbers, bigNumberStrings, dateStrings, timezone };
  return {
    createPool: () => ({
      getConnection: (done: Taken) =>
        taken(done, () => {
          pool()
            .getConnection()
            .then((on) => done(null, connectionOn(on, reading)), done);
        }),
      end: (done: Taken) => done(null),
    }),
  };
}

/** TypeORM waits for an answer, and hears of no throw. */
function taken(done: Taken, take: () => void): void {
  try {
    take();
  } catch (error) {
    done(error);
  }
}

function connectionOn(on: MysqlConnection, reading: object): object {
  const query = (given: string | object, values?: readonly unknown[]): Promise<unknown> =>
    on.query({ ...reading, ...(typeof given === 'string' ? { sql: given } : given) }, values);
  return {
    promise: () => ({ query }),
    query: () => {
      throw new Error('A branch has no streams: read rows with getMany() or query().');
    },
    release: () => on.release(),
    on: nothing,
    listeners: () => [nothing],
  };
}
