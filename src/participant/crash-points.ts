/**
 * Every named point at which a test ends a participant with kill -9. The SDK calls `reached` as it
 * passes one; in production that does nothing. A point that is never reached fails a test.
 */
export const participantCrashPoints = [
  /** A prepare came; the application was not called. */
  'before-prepare',
  /** The application returned; nothing of it is in the journal. */
  'after-application-prepare',
  /** The vote is about to be written. */
  'before-vote-durable',
  /** The vote is durable; it was not sent. */
  'after-vote-durable',
  /** The decision is known; the application was not called. */
  'before-commit-applied',
  /** The application has committed; the journal does not say so. */
  'after-commit-applied',
  /** The journal says so; no one was told. */
  'after-outcome-durable',
  /** The application has rolled back; there is no tombstone. */
  'after-rollback-applied',
] as const;

export type ParticipantCrashPoint = (typeof participantCrashPoints)[number];

/** Called at each point as it is passed. */
export type ParticipantReached = (point: ParticipantCrashPoint) => void;
