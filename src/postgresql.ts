/**
 * `verdict/postgresql`: a participant whose data are in PostgreSQL. Needs the package `pg`.
 */
import './system/check-node.ts';

export type { PostgresqlConnection } from './participant/resources/postgresql/connection-options.ts';
export {
  openPostgresqlResource,
  type PostgresqlResourceOptions,
} from './participant/resources/postgresql/open.ts';
export { ormClient } from './participant/resources/postgresql/orm-client.ts';
export type {
  Isolation,
  PrepareSql,
  Sql,
  SqlResource,
  SqlResourceOptions,
  SqlResult,
  StatementObject,
} from './participant/resources/sql/sql.ts';
