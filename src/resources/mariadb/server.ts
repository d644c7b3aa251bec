/** What the server must be able to do, asked before anything is promised. */
import { identityOf, identityRow } from '../sql/names.ts';
import type { Statements } from './ends.ts';

export async function checkServer(on: Statements): Promise<void> {
  const [row] = await on.rows(
    'SELECT VERSION() AS version, @@innodb_flush_log_at_trx_commit AS flush, @@read_only AS readonly, @@autocommit AS autocommit',
  );
  const settings = row as Settings;
  const problem = (await versionProblem(on, settings.version)) ?? problemOf(settings);
  if (problem !== null) throw new Error(problem);
}

interface Settings {
  readonly version: string;
  readonly flush: number;
  readonly readonly: number;
  readonly autocommit: number;
}

function problemOf({ readonly, autocommit, flush }: Settings): string | null {
  if (Number(readonly) !== 0)
    return 'This server is read-only, which prepares nothing: connect to the primary.';
  if (Number(autocommit) !== 1)
    return 'This session keeps autocommit off, although it was set: nothing that is written here would last.';
  if (Number(flush) !== 1)
    return `innodb_flush_log_at_trx_commit of this server is ${flush}: what it prepares would not survive a crash. Set it to 1.`;
  return null;
}

/** A branch must outlive its session. */
async function versionProblem(on: Statements, version: string): Promise<string | null> {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (/mariadb/i.test(version)) {
    return major > 10 || (major === 10 && minor >= 5) ? null : 'MariaDB 10.5 or newer is needed.';
  }
  const rows = await on.rows("SHOW GLOBAL VARIABLES LIKE 'xa_detach_on_prepare'");
  return rows[0]?.['Value'] === 'ON'
    ? null
    : 'MySQL 8.0.29 or newer is needed, with xa_detach_on_prepare = ON.';
}

/**
 * The table's name with its database, which holds whatever database a service uses (!): the row of
 * a branch that wrote `USE other` would lie in the table of another participant. Where the table is
 * there, nothing is changed: the right to make one is needed once.
 */
export async function makeTable(on: Statements, name: string): Promise<string> {
  const table = await withDatabase(on, name);
  try {
    await on.rows(`SELECT 1 FROM ${table} LIMIT 0`);
    return table;
  } catch (error) {
    if ((error as { errno?: unknown }).errno !== noSuchTable) throw error;
  }
  await on.write(
    `CREATE TABLE IF NOT EXISTS ${table} (
       name VARCHAR(250) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY,
       proofs INT NOT NULL DEFAULT 0,
       seen_at DATETIME NULL,
       mark VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
       note VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL
     ) ENGINE = InnoDB`,
  );
  return table;
}

async function withDatabase(on: Statements, table: string): Promise<string> {
  if (table.includes('.')) return table;
  const [row] = await on.rows('SELECT DATABASE() AS name');
  const name: unknown = row?.['name'];
  // Without one the server says so.
  return typeof name === 'string' ? `\`${name.replaceAll('`', '``')}\`.${table}` : table;
}

export function identityIn(on: Statements, table: string): Promise<string> {
  const note = async (): Promise<string | null> => {
    const [row] = await on.rows(`SELECT note FROM ${table} WHERE name = '${identityRow}'`);
    return row === undefined ? null : String(row['note']);
  };
  const text = `INSERT IGNORE INTO ${table} (name, note) VALUES ('${identityRow}', ?)`;
  return identityOf('my', note, (identity) => on.write(text, [identity]));
}

const noSuchTable = 1146;
