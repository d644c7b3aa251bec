/** What all parts of one resource share. */
import type { Pool } from 'mysql2/promise';
import type { Clock } from '../../../ports/clock.ts';
import type { Isolation } from '../sql/sql.ts';
import type { MariadbConnection } from './connection-options.ts';
import type { Slots } from './slots.ts';

export interface MariadbContext {
  readonly ends: Pool;
  readonly connection: MariadbConnection;
  readonly clock: Clock;
  readonly name: string;
  readonly table: string;
  readonly isolation: Isolation;
  readonly lockWaitMs: number;
  readonly slots: Slots;
  readonly shared: boolean;
}
