/** What clients ask for: begin, enlist, lock, commit, roll back, transact. The door of the room. */
export { attemptRead, expiredRead } from './attempts.ts';
export { begin } from './begin.ts';
export { commit, rollback, transactionTimedOut } from './end.ts';
export { enlist, lock } from './pending.ts';
export { transact } from './transact.ts';
