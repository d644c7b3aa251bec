/** Every option of a participant that bears on the protocol. */
import { day, minute, type OptionEntry, resolveOptions } from './options.ts';

/** A participant's time-outs and limits. */
export interface ParticipantOptions {
  /**
   * How long a branch stays in doubt before the participant asks for its outcome, and between two
   * questions. Default 5,000.
   */
  readonly patienceMs: number;
  /**
   * How long one node may take to answer a query before the next is asked to resolve. A leader that
   * is silent for 160 ms is passed over as soon as another node says that nothing is recorded.
   * Default 2,000.
   */
  readonly queryTimeoutMs: number;
  /**
   * How often a prepare that is still running tells the coordinator so. 0: Never tell. Default
   * 1,000.
   */
  readonly workingMs: number;
  /**
   * The first pause before a failed commit or rollback of the application is called again, and
   * before a report that a leader did not answer is sent again; it doubles, with jitter. Default
   * 100.
   */
  readonly retryDelayMs: number;
  /**
   * The longest such pause, and the longest between two attempts to reach a node. Default 5,000.
   */
  readonly maxRetryDelayMs: number;
  /** Transactions in one report message. Default 1,000. */
  readonly reportPage: number;
  /**
   * How long a tombstone is kept within one epoch: at least twice the longest transaction time-out.
   * Default 600,000.
   */
  readonly tombstoneMs: number;
  /**
   * Prepares of the application that run at once; as many commits and rollbacks beside them.
   * Default 1,024.
   */
  readonly maxConcurrency: number;
  /**
   * Prepares that wait for their turn; past it, new ones are answered with a retryable vote
   * `abort`. 0: None waits. Default 4,096.
   */
  readonly maxQueue: number;
  /**
   * How long a branch that enlisted itself may wait for its prepare before it is rolled back. 0:
   * Forever. Default 300,000.
   */
  readonly lockLimitMs: number;
}
/** The name of one. */
export type ParticipantOptionName = keyof ParticipantOptions;

export const participantOptionTable: Readonly<Record<ParticipantOptionName, OptionEntry>> = {
  patienceMs: {
    default: 5_000,
    min: 10,
    max: 60 * minute,
    meaning:
      'How long a branch stays in doubt before the participant asks for its outcome, and between two questions.',
  },
  queryTimeoutMs: {
    default: 2_000,
    min: 10,
    max: 10 * minute,
    meaning:
      'How long one node may take to answer a query before the next is asked to resolve. A leader that is silent for 160 ms is passed over as soon as another node says that nothing is recorded.',
  },
  workingMs: {
    default: 1_000,
    min: 0,
    max: 10 * minute,
    meaning: 'How often a prepare that is still running tells the coordinator so.',
    zero: 'Never tell.',
  },
  retryDelayMs: {
    default: 100,
    min: 1,
    max: 10 * minute,
    meaning:
      'The first pause before a failed commit or rollback of the application is called again, and before a report that a leader did not answer is sent again; it doubles, with jitter.',
  },
  maxRetryDelayMs: {
    default: 5_000,
    min: 1,
    max: 60 * minute,
    meaning: 'The longest such pause, and the longest between two attempts to reach a node.',
  },
  reportPage: {
    default: 1_000,
    min: 1,
    max: 1_000,
    meaning: 'Transactions in one report message.',
  },
  tombstoneMs: {
    default: 10 * minute,
    min: 1_000,
    max: 7 * day,
    meaning:
      'How long a tombstone is kept within one epoch: at least twice the longest transaction time-out.',
  },
  maxConcurrency: {
    default: 1_024,
    min: 1,
    max: 1_000_000,
    meaning:
      'Prepares of the application that run at once; as many commits and rollbacks beside them.',
  },
  maxQueue: {
    default: 4_096,
    min: 0,
    max: 10_000_000,
    meaning:
      'Prepares that wait for their turn; past it, new ones are answered with a retryable vote `abort`.',
    zero: 'None waits.',
  },
  lockLimitMs: {
    default: 5 * minute,
    min: 0,
    max: 60 * minute,
    meaning:
      'How long a branch that enlisted itself may wait for its prepare before it is rolled back.',
    zero: 'Forever.',
  },
};

export const participantOptionNames = Object.keys(
  participantOptionTable,
) as readonly ParticipantOptionName[];

/** Fills in defaults; throws a RangeError that names the option, its unit and its bounds. */
export function participantOptions(given: Partial<ParticipantOptions> = {}): ParticipantOptions {
  return resolveOptions(participantOptionTable, participantOptionNames, given);
}
