/** Every metric of a node: its name, what it means, and where in the node's figures it is. */
import type { HistogramReading } from '../../core/figures.ts';
import { phases } from '../../core/figures.ts';
import { logOperations } from '../../core/log-figures.ts';
import { transactionStates } from '../../core/messages.ts';
import { each, histogram, type Metric, type MetricSample, one } from '../../peer/pulled-metric.ts';
import type { NodeFigures } from '../figures-of.ts';

export type NodeMetric = Metric<NodeFigures>;

const secondMs = 1_000;

function gauge(
  name: string,
  help: string,
  value: (figures: NodeFigures) => number | undefined,
): NodeMetric {
  return { ...simple(name, help, value), type: 'gauge' };
}

function counter(
  name: string,
  help: string,
  value: (figures: NodeFigures) => number | undefined,
): NodeMetric {
  return { ...simple(name, help, value), type: 'counter' };
}

function simple(
  name: string,
  help: string,
  value: (figures: NodeFigures) => number | undefined,
): Omit<NodeMetric, 'type'> {
  const samples = (figures: NodeFigures): readonly MetricSample[] => {
    const now = value(figures);
    return now === undefined ? [] : one(now);
  };
  return { name, help, labels: [], samples };
}

const breakers = ['closed', 'half-open', 'open'] as const;

function ofParticipants(
  name: string,
  help: string,
  value: (participant: NodeFigures['participants'][number]) => number | undefined,
): NodeMetric {
  return {
    name,
    type: 'gauge',
    help,
    labels: ['participant'],
    samples: ({ participants }) =>
      participants.flatMap((one) => {
        const now = value(one);
        const labels = { participant: one.participant };
        return now === undefined ? [] : [{ labels, value: now }];
      }),
  };
}

function ofQueues(
  name: string,
  help: string,
  value: (queue: NodeFigures['queues'][number]) => number | undefined,
): NodeMetric {
  return {
    name,
    type: 'gauge',
    help,
    labels: ['queue'],
    samples: ({ queues }) =>
      queues.flatMap((one) => {
        const now = value(one);
        return now === undefined ? [] : [{ labels: { queue: one.queue }, value: now }];
      }),
  };
}

function times(
  name: string,
  reading: HistogramReading,
  bounds: readonly number[],
  labels: Readonly<Record<string, string>>,
): readonly MetricSample[] {
  return histogram(name, reading, { bounds, unit: secondMs, labels });
}

const phaseName = 'verdict_transaction_phase_seconds';
const operationName = 'verdict_log_operation_seconds';
const batchName = 'verdict_log_batch_operations';

export const nodeMetrics: readonly NodeMetric[] = [
  gauge('verdict_ready', '1 where every shard has a leader that this node knows of.', (now) =>
    now.ready ? 1 : 0,
  ),
  gauge('verdict_uptime_seconds', 'Since the node started.', ({ atMs }) => atMs / secondMs),
  {
    name: 'verdict_transactions_ended_total',
    type: 'counter',
    help: 'Transactions that this node decided, by outcome and the code of why they aborted.',
    labels: ['outcome', 'reason'],
    samples: ({ endings }) => {
      const { committed = 0, readonly = 0, ...aborted } = endings;
      return [
        { labels: { outcome: 'committed', reason: '' }, value: committed },
        { labels: { outcome: 'readonly', reason: '' }, value: readonly },
        ...Object.entries(aborted).map(([reason, value]) => ({
          labels: { outcome: 'aborted', reason },
          value,
        })),
      ];
    },
  },
  {
    name: phaseName,
    type: 'histogram',
    help: 'How long the parts of a transaction took.',
    labels: ['phase'],
    samples: ({ phases: readings, bucketsMs }) =>
      phases.flatMap((phase) => times(phaseName, readings[phase], bucketsMs, { phase })),
  },
  {
    name: 'verdict_transactions',
    type: 'gauge',
    help: 'Transactions in memory now, by state.',
    labels: ['state'],
    samples: ({ states }) =>
      transactionStates.map((state) => ({ labels: { state }, value: states[state] ?? 0 })),
  },
  gauge(
    'verdict_transactions_attention',
    'Transactions that need an operator now: a branch does not acknowledge a decision.',
    ({ attention }) => attention,
  ),
  counter(
    'verdict_transactions_flagged_total',
    'Times that a transaction was flagged for an operator.',
    ({ flagged }) => flagged,
  ),
  counter(
    'verdict_command_retries_total',
    'Commands of phase 2 that were sent again.',
    ({ retries }) => retries,
  ),
  gauge(
    'verdict_doubts_waiting',
    'Questions of participants that wait until the log was read as a whole.',
    ({ doubts }) => doubts.waiting,
  ),
  counter(
    'verdict_doubts_asked_total',
    'Transactions that peers asked about because they are in doubt.',
    ({ doubts }) => doubts.asked,
  ),
  counter(
    'verdict_aborts_forced_total',
    'Aborts that a peer forced, of a transaction that is not its own to end.',
    ({ doubts }) => doubts.forced,
  ),
  ofQueues(
    'verdict_queue_entries',
    'Entries now; of several queues of a kind, of the fullest.',
    ({ entries }) => entries,
  ),
  ofQueues('verdict_queue_max_entries', 'The bound on the entries.', (queue) => queue.maxEntries),
  ofQueues('verdict_queue_bytes', 'Bytes held now.', ({ bytes }) => bytes),
  ofQueues('verdict_queue_max_bytes', 'The bound on the bytes.', ({ maxBytes }) => maxBytes),
  ofParticipants(
    'verdict_participant_instances',
    'Instances connected to this node.',
    ({ instances }) => instances,
  ),
  ofParticipants(
    'verdict_participant_window',
    'How many prepares may be under way, over the shards that this node leads.',
    ({ window }) => window,
  ),
  ofParticipants(
    'verdict_participant_prepares',
    'Prepares without a vote yet.',
    ({ inFlight }) => inFlight,
  ),
  ofParticipants(
    'verdict_participant_waiting',
    'Transactions that wait for a place in its window.',
    ({ waiting }) => waiting,
  ),
  ofParticipants(
    'verdict_participant_breaker_state',
    '0: closed. 1: half-open, a probe decides. 2: open, transactions with it are refused.',
    ({ breaker }) => breakers.indexOf(breaker),
  ),
  ofParticipants(
    'verdict_participant_vote_timeout_seconds',
    'How long a vote is waited for at present.',
    ({ timeoutMs }) => (timeoutMs === undefined ? undefined : timeoutMs / secondMs),
  ),
  {
    name: 'verdict_participant_votes_missed_total',
    type: 'counter',
    help: 'Prepares that the participant gave no vote to in time.',
    labels: ['participant'],
    samples: ({ missedVotes = {} }) => each('participant', missedVotes),
  },
  gauge('verdict_shards_led', 'Shards that this node leads.', (now) => now.leaderships.led),
  gauge(
    'verdict_shards_without_leader',
    'Shards that no one is known to lead.',
    (now) => now.leaderships.leaderless,
  ),
  counter(
    'verdict_leaderships_begun_total',
    'Leaderships that this node began.',
    (now) => now.leaderships.begun,
  ),
  {
    name: 'verdict_leaderships_ended_total',
    type: 'counter',
    help: 'Leaderships of this node that ended: lost against its will, or given up.',
    labels: ['how'],
    samples: ({ leaderships: { lost, given } }) => each('how', { lost, given }),
  },
  counter(
    'verdict_epoch_changes_total',
    'Times that a shard was seen under another epoch than before, whoever leads it.',
    (now) => now.leaderships.epochChanges,
  ),
  gauge('verdict_lease_held', '1 while the lease in etcd is held.', ({ lease }) =>
    lease === undefined ? undefined : Number(lease.ageMs !== undefined),
  ),
  gauge(
    'verdict_lease_age_seconds',
    'Since the lease in etcd was last confirmed, counted from the asking.',
    ({ lease }) => (lease?.ageMs === undefined ? undefined : lease.ageMs / secondMs),
  ),
  gauge(
    'verdict_lease_valid_seconds',
    'How old the lease may become: then every leadership of the node ends.',
    ({ lease }) => (lease === undefined ? undefined : lease.validMs / secondMs),
  ),
  {
    name: operationName,
    type: 'histogram',
    help: 'Attempts at the decision log that were answered.',
    labels: ['operation'],
    samples: ({ log, bucketsMs }) =>
      logOperations.flatMap((operation) =>
        times(operationName, log.operations[operation].latency, bucketsMs, { operation }),
      ),
  },
  {
    name: 'verdict_log_failures_total',
    type: 'counter',
    help: 'Attempts at the decision log without an answer; each is made again.',
    labels: ['operation'],
    samples: ({ log }) =>
      logOperations.map((operation) => ({
        labels: { operation },
        value: log.operations[operation].failures,
      })),
  },
  counter('verdict_log_appends_total', 'Commits that were made durable.', ({ log }) => log.appends),
  gauge(
    'verdict_log_unreadable_records',
    'Finished records in etcd, of the shards that this node leads, that it cannot read.',
    ({ log }) => log.unreadable ?? 0,
  ),
  {
    name: batchName,
    type: 'histogram',
    help: 'How many operations shared a write to the decision log.',
    labels: [],
    samples: ({ log }) => histogram(batchName, log.batch, { bounds: log.batchBounds, unit: 1 }),
  },
  {
    name: 'verdict_connections',
    type: 'gauge',
    help: 'Open connections by role; one of several roles counts for each.',
    labels: ['role'],
    samples: ({ connections }) =>
      each('role', {
        client: 0,
        participant: 0,
        operator: 0,
        node: 0,
        greeting: 0,
        ...connections,
      }),
  },
  {
    name: 'verdict_refusals_total',
    type: 'counter',
    help: 'Errors that peers were answered, by code.',
    labels: ['code'],
    samples: ({ refusals }) => each('code', refusals),
  },
  counter('verdict_received_bytes_total', 'Of all connections.', ({ bytes }) => bytes.input),
  counter('verdict_sent_bytes_total', 'Of all connections.', ({ bytes }) => bytes.output),
  gauge(
    'verdict_event_loop_delay_seconds',
    'The longest that the event loop was late in the last 15 to 30 seconds.',
    ({ loopDelayMs }) => loopDelayMs / secondMs,
  ),
];
