/** A database whose branches an application drives itself: `openTransactions` takes these. */
import { vote } from '../../participant/vote.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PrepareCall } from '../../ports/resource.ts';
import { OpenBranch } from './open-branch.ts';
import { type Dialect, sqlResource } from './resource.ts';
import type { SqlResource, SqlResourceOptions, SqlSettings } from './sql.ts';

/** What `postgresql` and `mariadb` take beside the connection. */
export type DatabaseOptions = Pick<
  SqlResourceOptions<never, never>,
  'isolation' | 'table' | 'lockWaitMs' | 'lockLimitMs' | 'maxSessions' | 'sessionWaitMs'
>;

/** Made by `postgresql` of `verdict/postgresql` and `mariadb` of `verdict/mariadb`. */
export interface Database {
  /** @internal Connects. `name`: what its branches are called. */
  readonly open: (given: DatabaseGiven) => Promise<SqlDatabase>;
}

export interface DatabaseGiven {
  readonly name: string;
  readonly logger: Logger;
}

type BranchBegin = Omit<PrepareCall<unknown>, 'payload' | 'working'>;

/** Open: its resource ends what is prepared, and its branches are begun one by one. */
export interface SqlDatabase {
  readonly name: string;
  readonly maxSessions: number;
  /** Its `prepare` always votes abort: the work is done in `branch`. */
  readonly resource: SqlResource<unknown, unknown>;
  /** Throws where the names are too long for one. */
  branch(call: BranchBegin): OpenBranch;
}

/** Never called: the work of these branches comes by itself. */
export const workComesByItself = (): ReturnType<typeof vote.abort> =>
  vote.abort('The work of this branch was lost with the process that did it.');

export function sqlDatabase<Id>(settings: SqlSettings, dialect: Dialect<Id>): SqlDatabase {
  const { name, maxSessions } = settings;
  return {
    name,
    maxSessions,
    resource: sqlResource(settings, workComesByItself, dialect),
    branch: (call) => {
      const id = dialect.idOf(call);
      if (id === null)
        throw new RangeError(`The name ${name} is too long for ${dialect.database}: shorten it.`);
      const open = () => dialect.open(id, call);
      return new OpenBranch(
        { settings, open, library: dialect.library, ...dialect.refusals },
        call,
      );
    },
  };
}

/** The names in one object with the connection's. */
export function splitDatabaseOptions<Connection extends object>(
  given: Connection & DatabaseOptions,
): { readonly options: DatabaseOptions; readonly connection: Connection } {
  const { isolation, table, lockWaitMs, lockLimitMs, maxSessions, sessionWaitMs, ...connection } =
    given;
  const all = { isolation, table, lockWaitMs, lockLimitMs, maxSessions, sessionWaitMs };
  const there = Object.entries(all).filter(([, value]) => value !== undefined);
  return {
    options: Object.fromEntries(there) as DatabaseOptions,
    connection: connection as unknown as Connection,
  };
}
