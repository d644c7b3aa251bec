/** Every option of a participant that bears on the protocol. */
import { day, minute, type OptionEntry, resolveOptions } from './options.ts';

export const participantOptionNames = [
  'patienceMs',
  'queryTimeoutMs',
  'workingMs',
  'retryDelayMs',
  'maxRetryDelayMs',
  'reportPage',
  'tombstoneMs',
  'maxConcurrency',
  'maxQueue',
  'lockLimitMs',
] as const;
export type ParticipantOptionName = (typeof participantOptionNames)[number];
export type ParticipantOptions = Readonly<Record<ParticipantOptionName, number>>;

export const participantOptionTable: Readonly<Record<ParticipantOptionName, OptionEntry>> = {
  patienceMs: {
    default: 5_000,
    min: 10,
    max: 60 * minute,
    meaning:
      'How long a branch stays in doubt before the participant asks for its outcome, and between two questions.',
    zero: null,
  },
  queryTimeoutMs: {
    default: 2_000,
    min: 10,
    max: 10 * minute,
    meaning:
      'How long one node may take to answer a query before the next is asked to resolve. A leader that is silent for 160 ms is passed over as soon as another node says that nothing is recorded.',
    zero: null,
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
    zero: null,
  },
  maxRetryDelayMs: {
    default: 5_000,
    min: 1,
    max: 60 * minute,
    meaning: 'The longest such pause, and the longest between two attempts to reach a node.',
    zero: null,
  },
  reportPage: {
    default: 1_000,
    min: 1,
    max: 1_000,
    meaning: 'Transactions in one report message.',
    zero: null,
  },
  tombstoneMs: {
    default: 10 * minute,
    min: 1_000,
    max: 7 * day,
    meaning:
      'How long a tombstone is kept within one epoch: at least twice the longest transaction time-out.',
    zero: null,
  },
  maxConcurrency: {
    default: 1_024,
    min: 1,
    max: 1_000_000,
    meaning:
      'Prepares of the application that run at once; as many commits and rollbacks beside them.',
    zero: null,
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
    zero: 'For ever.',
  },
};

/** Fills in defaults; throws a RangeError that names the option, its unit and its bounds. */
export function participantOptions(given: Partial<ParticipantOptions> = {}): ParticipantOptions {
  return resolveOptions(participantOptionTable, participantOptionNames, given);
}
