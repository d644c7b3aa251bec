/**
 * `verdict/mariadb`: a participant whose data are in MariaDB or MySQL. Needs the package `mysql2`.
 */
export type { MariadbConnection } from './participant/resources/mariadb/connections.ts';
export type { Isolation } from './participant/resources/mariadb/context.ts';
export {
  type MariadbResourceOptions,
  openMariadbResource,
} from './participant/resources/mariadb/open.ts';
export type {
  PrepareSql,
  Sql,
  SqlResource,
  SqlResourceOptions,
  SqlResult,
} from './participant/resources/sql/sql.ts';
