/**
 * `verdict/mariadb`: a participant, or a database of a service, in MariaDB or MySQL. Needs the
 * package `mysql2`.
 */
import './system/check-node.ts';

export type { MariadbConnection } from './resources/mariadb/connection-options.ts';
export {
  type MariadbResourceOptions,
  mariadb,
  openMariadbResource,
} from './resources/mariadb/open.ts';
export { ormClient } from './resources/mariadb/orm-client.ts';
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
