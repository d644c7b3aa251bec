/** Phase 1: locks, the freeze, prepares and votes, the decision. The door of the room. */
export { abort, abortAsDuplicate, decided } from './decide.ts';
export {
  askForLocks,
  freezeWhenLocked,
  lockAndFreeze,
  lockHeldTooLong,
  lockTimedOut,
} from './locking.ts';
export {
  freeze,
  prepareTimedOut,
  sendPrepare,
  startPrepares,
  vote,
  working,
} from './prepare.ts';
