/** What all parts of one resource share. */
import type { BranchRef } from '../../ports/resource.ts';
import { branchName, marked, markLength, markOf, namePrefix } from '../sql/names.ts';
import type { SqlSettings } from '../sql/sql.ts';
import type { PostgresqlPools } from './connections.ts';

export interface PostgresqlContext extends SqlSettings {
  readonly pools: PostgresqlPools;
}

/** PostgreSQL takes up to 199. */
const maxGidBytes = 199;

/** Names the branch, its row and its lock; null where the names are too long. */
export function gidOf(name: string, ref: BranchRef): string | null {
  const gid = branchName(name, ref);
  return gid.length + 1 + markLength > maxGidBytes ? null : gid;
}

/** What the branch is prepared as, by that instance. */
export function preparedAs(gid: string, instance: string | undefined): string {
  return marked(gid, markOf(instance));
}

/** What every session at work for this instance holds. */
export function instanceLockOf(name: string, instance: string | undefined): string {
  return marked(namePrefix(name), markOf(instance));
}
