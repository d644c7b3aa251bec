/** `verdict/knex`: branches whose work is written with Knex. Needs the package `knex`. */
import './system/check-node.ts';

export { type KnexBranchOptions, type KnexWork, knexBranch } from './orm/knex.ts';
export type { PrepareCall, PrepareResult } from './ports/resource.ts';
export type { PrepareSql, Sql } from './resources/sql/sql.ts';
