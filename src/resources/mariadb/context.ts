/** What all parts of one resource share. */
import type { SqlSettings } from '../sql/sql.ts';
import type { MariadbConnection } from './connection-options.ts';
import type { DetachedBranches } from './detach.ts';
import type { Ends } from './ends.ts';
import type { Slots } from './slots.ts';
import type { Spare } from './spare.ts';

export interface OpenSession {
  readonly connectionId: number;
  destroy(): Promise<void>;
}

export interface MariadbContext extends SqlSettings {
  readonly ends: Ends;
  readonly connection: MariadbConnection;
  readonly slots: Slots;
  /** Null: each branch opens its own connection when it begins. */
  readonly spare: Spare | null;
  readonly detachedBranches: DetachedBranches;
  /** At work in this process. A connection's id is another's after a restart of the server (!). */
  readonly sessions: Set<OpenSession>;
}
