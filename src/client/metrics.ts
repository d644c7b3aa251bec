/** What a client counted, as metrics of the application's registry. */
import { bucketsMs } from '../core/figures.ts';
import { each, histogram, type Metric } from '../peer/pulled-metric.ts';
import type { ClientFigures } from './figures.ts';

const callName = 'verdict_client_call_seconds';

/** What is read of a client. */
export interface ClientReading {
  readonly name: string;
  readonly figures: ClientFigures;
  readonly connections: number;
  readonly sent: number;
  readonly waiting: number;
}

function gauge(
  name: string,
  help: string,
  value: (client: ClientReading) => number,
): Metric<ClientReading> {
  const samples = (client: ClientReading) => [
    { labels: { client: client.name }, value: value(client) },
  ];
  return { name, type: 'gauge', help, labels: ['client'], samples };
}

export const clientMetrics: readonly Metric<ClientReading>[] = [
  {
    name: 'verdict_client_calls_total',
    type: 'counter',
    help: 'Transactions that ended here: `committed`, `aborted`, `unknown`, or `failed`: nothing was done.',
    labels: ['client', 'outcome'],
    samples: ({ name, figures: { calls } }) =>
      each('outcome', { ...calls }).map(({ labels, value }) => ({
        labels: { client: name, ...labels },
        value,
      })),
  },
  {
    name: callName,
    type: 'histogram',
    help: 'How long calls of `transact`, `commit` and `rollback` took, with all that was tried again.',
    labels: ['client'],
    samples: ({ name, figures: { latency } }) =>
      histogram(callName, latency, { bounds: bucketsMs, unit: 1_000, labels: { client: name } }),
  },
  {
    name: 'verdict_client_retries_total',
    type: 'counter',
    help: 'Attempts beyond the first: an abort that could pass, or an answer that was missing.',
    labels: ['client', 'why'],
    samples: ({ name, figures: { retries } }) =>
      each('why', { ...retries }).map(({ labels, value }) => ({
        labels: { client: name, ...labels },
        value,
      })),
  },
  gauge(
    'verdict_client_calls_in_flight',
    'Calls that have not ended, sent or not.',
    ({ figures }) => figures.inFlight,
  ),
  gauge('verdict_client_sent', 'One-shot transactions without an answer yet.', ({ sent }) => sent),
  gauge(
    'verdict_client_waiting',
    'One-shot transactions that wait here, because their participants cannot keep up.',
    ({ waiting }) => waiting,
  ),
  gauge(
    'verdict_client_connections',
    'Nodes that it is connected to.',
    ({ connections }) => connections,
  ),
];
