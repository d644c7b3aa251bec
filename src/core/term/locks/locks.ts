/** Named locks of transactions (docs/PROTOCOL.md, section 9). The door of the room. */
import { type LockRequest, LockTable } from '../../locks/table.ts';
import type { TimerHandle } from '../../timer-wheel.ts';
import type { Transaction } from '../../transaction.ts';
import type { TermState } from '../state.ts';
import type { LockReply } from './waits.ts';

export { failLockWaits, holdAgain, recordedLocks, releaseLocks } from './release.ts';
export { type LockListing, listLocks, locksOf } from './status.ts';
export {
  beyondLimits,
  countLocks,
  deadlock,
  joinWait,
  type LockReply,
  lockTimeout,
  newLockBytes,
  openLocks,
  requestLocks,
  serveGrants,
  startHolding,
  waitsForLocks,
  wantsOf,
} from './waits.ts';

/** Who is to hear of the end of a wait. */
export interface LockWait {
  readonly replies: LockReply[];
  readonly waitMs: number;
  readonly timer: TimerHandle | null;
}

export interface LocksState {
  readonly table: LockTable<Transaction>;
  readonly waits: Map<LockRequest<Transaction>, LockWait>;
  /** To be served at the end of the step. */
  granted: LockRequest<Transaction>[];
}

export function locksState(): LocksState {
  return { table: new LockTable(), waits: new Map(), granted: [] };
}

export function hasGranted({ locks }: TermState): boolean {
  return locks.granted.length > 0;
}
