/**
 * Every named point at which a test ends a node with kill -9. The driver calls `reached` as it
 * passes one; in production that does nothing. A test fails if a point of this list is never
 * reached.
 */
export const crashPoints = [
  /** The new epoch is durable; no one was told. */
  'leadership-taken',
  /** The records of decisions/ are read, none is taken up. */
  'recovery-read',
  /** They are taken up; participants may have their commands. */
  'recovery-resumed',
  /** A transaction is in memory, no prepare has left. */
  'before-prepare',
  'after-prepare',
  'before-vote-counted',
  /** Every vote is in; nothing is handed to the log. */
  'before-decision',
  /** Handed to the log; its answer is not there. */
  'decision-in-flight',
  /** The decision is durable; no one was told. */
  'decision-durable',
  /** The client's answer has left; the commit commands are not flushed by design of their own. */
  'after-outcome',
  'after-commit',
  'after-rollback',
  'before-ack-counted',
  /** All acknowledged; the record is not moved to finished/. */
  'before-finish',
  /** The record is under finished/; no one was told to forget. */
  'finish-durable',
  'after-forget',
  /** A step of collection is durable. */
  'after-collect',
] as const;

export type CrashPoint = (typeof crashPoints)[number];

export type Reached = (point: CrashPoint) => void;
