/** What all parts of one resource share. */
import type { Clock } from '../../../ports/clock.ts';
import type { BranchRef } from '../../../ports/resource.ts';
import { branchName, namePrefix } from '../sql/names.ts';
import type { Isolation } from '../sql/sql.ts';
import type { PostgresqlPools } from './connections.ts';

export interface PostgresqlContext {
  readonly pools: PostgresqlPools;
  readonly clock: Clock;
  readonly name: string;
  readonly table: string;
  readonly isolation: Isolation;
  readonly lockWaitMs: number;
  /** What every session at work for this resource holds. */
  readonly resourceLock: string;
}

/** PostgreSQL takes up to 199. */
const gidBytesMax = 199;

/** Null where the names are too long for one. */
export function gidOf(name: string, ref: BranchRef): string | null {
  const gid = branchName(name, ref);
  return gid.length > gidBytesMax ? null : gid;
}

export function resourceLockOf(name: string): string {
  return namePrefix(name);
}
