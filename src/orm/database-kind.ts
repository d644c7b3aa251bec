/** Which database a branch is in, for libraries that speak several languages. */
import type { Sql } from '../resources/sql/sql.ts';

export interface DatabaseKind {
  readonly provider: 'postgres' | 'mysql';
  readonly version: string;
  /** LATERAL joins: MySQL 8.0.14 and newer, not MariaDB. */
  readonly joins: boolean;
}

export async function kindOf(sql: Sql): Promise<DatabaseKind> {
  const { rows } = await sql.query<{ version: string }>('SELECT version() AS version');
  const version = rows[0]?.version ?? '';
  if (version.startsWith('PostgreSQL')) return { provider: 'postgres', version, joins: true };
  const [major = 0, minor = 0, patch = 0] = version.split(/[.-]/).map(Number);
  const new_ = major > 8 || (major === 8 && (minor > 0 || patch >= 14));
  return { provider: 'mysql', version, joins: new_ && !/mariadb/i.test(version) };
}
