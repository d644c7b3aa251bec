/** What all parts of one resource share. */
import type { Clock } from '../../ports/clock.ts';
import type { Isolation } from '../sql/sql.ts';
import type { MariadbConnection } from './connection-options.ts';
import type { DetachedBranches } from './detach.ts';
import type { Ends } from './ends.ts';
import type { Slots } from './slots.ts';

export interface MariadbContext {
  readonly ends: Ends;
  readonly connection: MariadbConnection;
  readonly clock: Clock;
  readonly name: string;
  readonly table: string;
  readonly isolation: Isolation;
  readonly lockWaitMs: number;
  readonly lockLimitMs: number;
  readonly slots: Slots;
  readonly detachedBranches: DetachedBranches;
  /** Connection ids of prepares under way in this process. */
  readonly sessions: Set<number>;
  readonly shared: boolean;
}
