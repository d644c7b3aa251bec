/**
 * `verdict/mariadb`: a participant whose data are in MariaDB or MySQL. Needs the package `mysql2`.
 */
import './system/check-node.ts';

export type { MariadbConnection } from './resources/mariadb/connection-options.ts';
export {
  type MariadbResourceOptions,
  openMariadbResource,
} from './resources/mariadb/open.ts';
export { ormClient } from './resources/mariadb/orm-client.ts';
export type {
  Isolation,
  PrepareSql,
  Sql,
  SqlResource,
  SqlResourceOptions,
  SqlResult,
  StatementObject,
} from './resources/sql/sql.ts';
