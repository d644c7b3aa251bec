/**
 * `verdict/postgresql`: a participant, or a database of a service, in PostgreSQL. Needs the package
 * `pg`.
 */
import './system/check-node.ts';

export type { PostgresqlConnection } from './resources/postgresql/connection-options.ts';
export {
  openPostgresqlResource,
  type PostgresqlResourceOptions,
  postgresql,
} from './resources/postgresql/open.ts';
export { ormClient } from './resources/postgresql/orm-client.ts';
export type { Database, DatabaseOptions } from './resources/sql/database.ts';
export type {
  Isolation,
  PrepareSql,
  Sql,
  SqlResource,
  SqlResourceOptions,
  SqlResult,
  StatementObject,
} from './resources/sql/sql.ts';
