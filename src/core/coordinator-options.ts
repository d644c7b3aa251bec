/** Every option of a coordinator node that bears on the protocol. */
import { nodeBounds } from './node-bounds.ts';
import { day, minute, type OptionEntry, resolveOptions } from './options.ts';

/** The names of a node's options. */
export const coordinatorOptionNames = [
  'transactionTimeoutMs',
  'maxTransactionTimeoutMs',
  'prepareTimeoutMs',
  'prepareTimeoutMsMin',
  'participantWaitMs',
  'participantWindow',
  'participantQueue',
  'commandWindow',
  'breakerAfter',
  'breakerPauseMs',
  'maxBreakerPauseMs',
  'ackTimeoutMs',
  'retryDelayMs',
  'maxRetryDelayMs',
  'attentionAfter',
  'maxRequests',
  'maxTransactions',
  'maxRecent',
  'retentionMs',
  'maxFinished',
  'tickMs',
  'maxBranches',
  'maxRecordBytes',
  'maxLocks',
  'maxLockWaiters',
  'lockWaitMs',
  'lockHoldMs',
  'maxFrameBytes',
  'maxDepth',
  'maxConnections',
  'maxConnectionsPerAddress',
  'handshakeTimeoutMs',
  'heartbeatMs',
  'maxPingAgeMs',
  'maxBufferedBytes',
  'maxInputBytes',
  'maxOutputBytes',
  'maxHeldBytes',
  'drainMs',
  'drainDelayMs',
] as const;
/** One of `coordinatorOptionNames`. */
export type CoordinatorOptionName = (typeof coordinatorOptionNames)[number];
/** A node's options. `coordinatorOptionTable` has the meaning, default and bounds of each. */
export type CoordinatorOptions = Readonly<Record<CoordinatorOptionName, number>>;

export const coordinatorOptionTable: Readonly<Record<CoordinatorOptionName, OptionEntry>> = {
  transactionTimeoutMs: {
    ...nodeBounds.transactionTimeoutMs,
    meaning: 'A transaction that names no time-out is aborted when it is not decided within this.',
  },
  maxTransactionTimeoutMs: {
    default: 5 * minute,
    min: 1,
    max: 60 * minute,
    meaning: 'The longest time-out a transaction may name; a longer one is cut to it.',
  },
  prepareTimeoutMs: {
    default: 5_000,
    min: 0,
    max: 60 * minute,
    meaning:
      'How long one branch may take at most to vote, from its prepare or its last `working`; less for a participant that has been seen to be faster.',
    zero: 'No limit but the transaction time-out.',
  },
  prepareTimeoutMsMin: {
    // Twice the participants' workingMs: one that is slow has said so by then.
    default: 2_000,
    min: 0,
    max: 60 * minute,
    meaning:
      "How long a branch may take at least, however fast its participant has been. Keep it well above the participants' `workingMs`.",
    zero: 'No measuring: `prepareTimeoutMs` for all.',
  },
  participantWaitMs: {
    // Longer than a participant's slowest try to connect (its maxRetryDelayMs) and a busy machine's
    // start: after a failover to a node that has just started, everyone is on the way back.
    default: 5_000,
    min: 0,
    max: 60 * minute,
    meaning:
      'How long a prepare waits for a participant that has no connection, before the transaction aborts.',
    zero: 'Abort at once.',
  },
  participantWindow: {
    default: 256,
    min: 1,
    max: 1_000_000,
    meaning: 'Prepares of one participant under way at a time; past it, transactions wait.',
  },
  participantQueue: {
    default: 1_024,
    min: 0,
    max: 1_000_000,
    meaning: 'Transactions that wait for one participant; past it, new ones that need it get BUSY.',
    zero: 'None waits.',
  },
  commandWindow: {
    default: 256,
    min: 1,
    max: 1_000_000,
    meaning:
      'Commands under way at a time on one connection of a participant, to branches that voted `commit`; as many rollbacks of other branches too. The rest follow.',
  },
  breakerAfter: {
    default: 5,
    min: 0,
    max: 1_000_000,
    meaning:
      'Prepare time-outs of one participant in a row after which transactions with it are refused at once.',
    zero: 'Never refuse for time-outs.',
  },
  breakerPauseMs: {
    default: 1_000,
    min: 1,
    max: 60 * minute,
    meaning:
      'The first pause before one transaction may try such a participant; it doubles with each failure, with jitter.',
  },
  maxBreakerPauseMs: {
    default: 5_000,
    min: 1,
    max: 60 * minute,
    meaning: 'The longest such pause.',
  },
  ackTimeoutMs: {
    default: 2_000,
    min: 1,
    max: 60 * minute,
    meaning:
      'How long one attempt at a commit or rollback waits for its acknowledgement before it is sent again.',
  },
  retryDelayMs: {
    default: 100,
    min: 1,
    max: 60 * minute,
    meaning:
      'The first pause before a commit or rollback is sent again; it doubles with each attempt, with jitter.',
  },
  maxRetryDelayMs: {
    default: 30_000,
    min: 1,
    max: 60 * minute,
    meaning: 'The longest pause between two attempts.',
  },
  // Some 20 s of refusals, and longer than most restarts take.
  attentionAfter: {
    default: 8,
    min: 0,
    max: 1_000_000,
    meaning:
      'Unacknowledged attempts at one branch after which its transaction is flagged `attention`. Retries go on.',
    zero: 'Never flag.',
  },
  maxRequests: {
    default: 1_000_000,
    min: 1,
    max: 100_000_000,
    meaning: 'Request ids remembered at once; past it, new requests with an id get BUSY.',
  },
  maxTransactions: {
    default: 100_000,
    min: 1,
    max: 10_000_000,
    meaning: 'Transactions in memory at once; past it, new ones get BUSY.',
  },
  maxRecent: {
    default: 10_000,
    min: 0,
    max: 10_000_000,
    meaning: 'Ended transactions remembered for status, lists and repeated requests.',
    zero: 'Remember none.',
  },
  retentionMs: {
    default: 10 * minute,
    min: 1 * minute,
    max: 7 * day,
    meaning:
      'How long the log keeps the record of a finished transaction; never less than the request window and a minute.',
  },
  maxFinished: {
    default: 200_000,
    min: 1,
    max: 100_000_000,
    meaning:
      'Finished records above which they are collected before `retentionMs`, but never before the request window and a minute.',
  },
  tickMs: {
    default: 10_000,
    min: 10,
    max: 10 * minute,
    meaning:
      'How often the leader writes down how long it has led, by which the age of records is counted. It may be another at every node and after every start.',
  },
  maxBranches: {
    ...nodeBounds.maxBranches,
    meaning: 'Branches of one transaction.',
  },
  maxRecordBytes: {
    default: 16_384,
    min: 1_024,
    max: 65_536,
    meaning: 'Bytes of one decision record, checked before the first prepare.',
  },
  maxLocks: {
    ...nodeBounds.maxLocks,
    meaning: 'Keys that one transaction may lock.',
  },
  maxLockWaiters: {
    default: 10_000,
    min: 1,
    max: 1_000_000,
    meaning: 'Requests that wait for locks of one shard at once; past it, new ones get BUSY.',
  },
  lockWaitMs: {
    default: 5_000,
    min: 0,
    max: 60 * minute,
    meaning:
      'How long a request for locks that names no `waitMs` waits, before its transaction aborts; never longer than that one has.',
    zero: 'Abort at once.',
  },
  lockHoldMs: {
    default: 1 * minute,
    min: 0,
    max: 7 * day,
    meaning:
      'How long a transaction may hold locks: past it an undecided one is aborted, a decided one is flagged `attention`.',
    zero: 'Forever.',
  },
  maxFrameBytes: {
    ...nodeBounds.maxFrameBytes,
    meaning: 'Bytes of one WebSocket message.',
  },
  maxDepth: {
    ...nodeBounds.maxDepth,
    meaning: 'Nesting of maps and arrays in one message.',
  },
  maxConnections: {
    default: 20_000,
    min: 1,
    max: 1_000_000,
    meaning: 'Connections to one node.',
  },
  maxConnectionsPerAddress: {
    default: 4_096,
    min: 1,
    max: 1_000_000,
    meaning: 'Connections from one address.',
  },
  handshakeTimeoutMs: {
    default: 5_000,
    min: 10,
    max: 10 * minute,
    meaning: 'How long a connection may take for its handshake, and again for its hello.',
  },
  heartbeatMs: {
    ...nodeBounds.heartbeatMs,
    meaning: 'How often each side pings; a connection that answers none of two is dropped.',
  },
  maxPingAgeMs: {
    default: 30_000,
    min: 100,
    // Half of what a request key outlives its window by (collector.ts): what lay longer is older.
    max: 30_000,
    meaning:
      'A connection whose last answered ping was sent longer ago is closed before any message on it is handled.',
  },
  maxBufferedBytes: {
    ...nodeBounds.maxBufferedBytes,
    meaning: 'Bytes that may wait for one peer to read; past it, the connection is dropped.',
  },
  maxInputBytes: {
    default: 0,
    min: 0,
    max: 2 ** 40,
    meaning:
      'Bytes of messages from all peers that are not complete yet, or not handled. A connection that takes more of them than its share is closed.',
    zero: 'A sixteenth of the heap limit of the process.',
  },
  maxOutputBytes: {
    default: 0,
    min: 0,
    max: 2 ** 40,
    meaning:
      'Bytes that may wait for all peers to read. A connection that takes more of them than its share is dropped.',
    zero: 'An eighth of the heap limit of the process.',
  },
  maxHeldBytes: {
    default: 0,
    min: 0,
    max: 2 ** 40,
    meaning:
      'Bytes of memory for what transactions hold until they end: payloads, results, locks, labels. What is more than a share of it gets BUSY. A quarter as much is kept of those that have ended.',
    zero: 'A quarter of the heap limit of the process.',
  },
  drainMs: {
    default: 10_000,
    min: 0,
    max: 60 * minute,
    meaning: 'How long a planned stop lets transactions in flight finish.',
    zero: 'Stop at once.',
  },
  drainDelayMs: {
    default: 0,
    min: 0,
    max: 10 * minute,
    meaning:
      'How long a node that is to stop or drain goes on, not ready any more, before it hands its leaderships over: a load balancer notices in that time.',
    zero: 'Hand over at once.',
  },
};

/** Fills in defaults; throws a RangeError that names the option, its unit and its bounds. */
export function coordinatorOptions(given: Partial<CoordinatorOptions> = {}): CoordinatorOptions {
  return resolveOptions(coordinatorOptionTable, coordinatorOptionNames, given);
}
