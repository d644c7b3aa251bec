/** What all parts of one resource share. */
import type { SqlSettings } from '../sql/sql.ts';
import type { MariadbConnection } from './connection-options.ts';
import type { DetachedBranches } from './detach.ts';
import type { Ends } from './ends.ts';
import type { Slots } from './slots.ts';

export interface MariadbContext extends SqlSettings {
  readonly ends: Ends;
  readonly connection: MariadbConnection;
  readonly slots: Slots;
  readonly detachedBranches: DetachedBranches;
  /** Connection ids of prepares under way in this process. */
  readonly sessions: Set<number>;
}
