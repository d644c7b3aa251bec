/**
 * `verdict/postgresql`: a participant whose data are in PostgreSQL. Needs the package `pg`.
 */
export type { PostgresqlConnection } from './participant/resources/postgresql/connections.ts';
export type { Isolation } from './participant/resources/postgresql/context.ts';
export {
  openPostgresqlResource,
  type PostgresqlResourceOptions,
} from './participant/resources/postgresql/open.ts';
export type {
  PrepareSql,
  Sql,
  SqlResource,
  SqlResourceOptions,
  SqlResult,
} from './participant/resources/sql/sql.ts';
