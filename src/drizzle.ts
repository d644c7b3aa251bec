/** `verdict/drizzle`: branches whose work is written with Drizzle. Needs `drizzle-orm`. */
import './system/check-node.ts';

export {
  type DrizzleBranchOptions,
  type DrizzleMysqlBranchOptions,
  type DrizzleMysqlTransaction,
  type DrizzleSchema,
  type DrizzleTransaction,
  type DrizzleWork,
  drizzleBranch,
  drizzleMysqlBranch,
} from './orm/drizzle.ts';
export type { PrepareCall, PrepareResult } from './ports/resource.ts';
export type { PrepareSql, Sql } from './resources/sql/sql.ts';
