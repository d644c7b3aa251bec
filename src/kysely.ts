/** `verdict/kysely`: branches whose work is written with Kysely. Needs the package `kysely`. */
import './system/check-node.ts';

export {
  type KyselyBranchOptions,
  type KyselyWork,
  kyselyBranch,
} from './orm/kysely.ts';
export type { PrepareCall, PrepareResult } from './ports/resource.ts';
export type { PrepareSql, Sql } from './resources/sql/sql.ts';
