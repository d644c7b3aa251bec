/** What an operator asks about the speed of a node. */
import type { HistogramReading } from '../../core/figures.ts';
import {
  type DoubtStats,
  type LeadershipStats,
  type LeaseStats,
  type LogOperationStats,
  type LogStats,
  type ParticipantStats,
  peerRoles,
  queueNames,
  type Stats,
  type StatsReply,
} from '../../core/messages.ts';
import { maxLines } from '../limits.ts';
import { count, id, key, milliseconds, type ShapesOf, state } from '../shapes.ts';
import { boolean, list, map, oneOf, optional, record, required } from '../validators.ts';
import { at, queueInfo } from './operator.ts';

const histogram = map<HistogramReading>({
  counts: required(list(count, 64), 'How many were in each bucket, and above the last bound.'),
  count: required(count, 'How many in all.'),
  sumMs: required(milliseconds, 'The sum of them.'),
});

const phasesShape = map<StatsReply['phases']>({
  wait: required(histogram, 'From its begin until its prepares may leave.'),
  prepare: required(histogram, 'Until the last vote.'),
  log: required(histogram, 'Until the commit is durable.'),
  decide: required(histogram, 'From the begin until the outcome is known.'),
  settle: required(histogram, 'Until every branch has acknowledged it.'),
});

const doubtStats = map<DoubtStats>({
  waiting: required(count, 'Questions that wait for the end of a scan of the log.'),
  asked: required(count, 'Transactions that peers asked about because they are in doubt.'),
  forced: required(count, 'Aborts that someone forced, of what is not its own to end.'),
});

const participantStats = map<ParticipantStats>({
  participant: required(key, 'Its name; `other`: all that have no line of their own.'),
  instances: required(count, 'Connected to this node.'),
  window: required(count, 'How many prepares may be under way, over all shards of this node.'),
  inFlight: required(count, 'How many are.'),
  waiting: required(count, 'Transactions that wait for a place.'),
  breaker: required(oneOf(['closed', 'open', 'half-open']), 'The worst of the shards.'),
  timeoutMs: optional(count, 'How long a vote is waited for; absent: no limit of its own.'),
});

const operationStats = map<LogOperationStats>({
  latency: required(histogram, 'Of attempts that were answered.'),
  failures: required(count, 'Attempts without an answer.'),
});

const logStats = map<LogStats>({
  appends: required(count, 'Commits made durable.'),
  unreadable: optional(
    count,
    'Finished records of the shards it leads that it cannot read; absent: as 0.',
  ),
  failures: required(count, 'Attempts without an answer, of all operations.'),
  latency: required(histogram, 'Of what makes commits durable.'),
  batch: required(histogram, 'How many operations shared a write; `sumMs` is their sum.'),
  batchBounds: required(list(milliseconds, 64), 'Upper bounds of `batch`.'),
  operations: required(
    map<LogStats['operations']>({
      decide: required(operationStats, 'Commits to etcd.'),
      finish: required(operationStats, 'Moves to finished/ in etcd.'),
      read: required(operationStats, 'Readings of etcd.'),
      flush: required(operationStats, 'Transactions of the embedded log.'),
      other: required(operationStats, 'Elections, ticks, collection.'),
    }),
    'By what was asked of the log.',
  ),
});

const leaseStats = map<LeaseStats>({
  ageMs: optional(milliseconds, 'Since it was last confirmed; absent: it is not held.'),
  validMs: required(milliseconds, 'How old it may become: then every leadership of the node ends.'),
});

const leadershipStats = map<LeadershipStats>({
  led: required(count, 'Shards that this node leads now.'),
  leaderless: required(count, 'Shards that no one is known to lead.'),
  begun: required(count, 'Leaderships of this node since its start.'),
  lost: required(count, 'Those that ended against its will.'),
  given: required(count, 'Those that it gave up.'),
  epochChanges: required(count, 'Times that a shard was seen under another epoch.'),
});

export const fromObserver: ShapesOf<Stats> = {
  stats: { id, at },
};

export const toObserver: ShapesOf<StatsReply> = {
  stats: {
    id,
    node: required(key, 'The name of the node.'),
    atMs: required(count, 'Since it started: the measure of time between two of these.'),
    ready: required(boolean, 'Whether it can take transactions, or knows who can.'),
    endings: required(
      record(key, count, maxLines),
      'How transactions ended: `committed`, `readonly`, or why they aborted.',
    ),
    bucketsMs: required(list(milliseconds, 64), 'Upper bounds of the histograms of times.'),
    phases: required(phasesShape, 'How long each part of a transaction took.'),
    states: required(record(state, count, 16), 'Transactions in memory now, by state.'),
    attention: required(count, 'How many of them need an operator now.'),
    flagged: required(count, 'How often one was flagged for an operator.'),
    retries: required(count, 'Commands of phase 2 that were sent again.'),
    doubts: required(doubtStats, 'What is in doubt.'),
    participants: required(
      list(participantStats, maxLines),
      'Those with the most under way, at most 200, and `other` for the rest.',
    ),
    log: required(logStats, 'What the decision log counted.'),
    lease: optional(leaseStats, "The node's lease; absent: it needs none."),
    leaderships: required(leadershipStats, 'Who leads.'),
    connections: required(
      record(oneOf([...peerRoles, 'greeting']), count, 16),
      'Open now, by role; of several roles a connection counts for each.',
    ),
    refusals: required(record(key, count, maxLines), 'Errors that were answered, by code.'),
    missedVotes: optional(
      record(key, count, maxLines),
      'Prepares that were not voted on in time, by participant.',
    ),
    bytes: required(
      map<StatsReply['bytes']>({
        input: required(count, 'That came.'),
        output: required(count, 'That went.'),
      }),
      'Of all connections.',
    ),
    queues: required(list(queueInfo, queueNames.length), 'As in `info`.'),
    loopDelayMs: required(milliseconds, 'The longest that the event loop was late lately.'),
  },
};
