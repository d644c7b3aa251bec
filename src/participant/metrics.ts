/** What a participant counted, as metrics of the application's registry. */
import { bucketsMs } from '../core/figures.ts';
import { histogram, type Metric } from '../peer/pulled-metric.ts';
import type { ParticipantFigures } from './figures.ts';
import type { LateCounts } from './late-calls.ts';

const prepareName = 'verdict_participant_prepare_seconds';

/** What is read of a participant. */
export interface ParticipantReading {
  readonly name: string;
  readonly figures: ParticipantFigures;
  readonly connections: number;
  readonly inDoubt: number;
  /** Calls of the application that have not returned long after they should have. */
  readonly late: LateCounts;
  /** In memory, by state. */
  readonly branches: Readonly<Record<string, number>>;
}

function gauge(
  name: string,
  help: string,
  value: (participant: ParticipantReading) => number,
): Metric<ParticipantReading> {
  const samples = (of: ParticipantReading) => [
    { labels: { participant: of.name }, value: value(of) },
  ];
  return { name, type: 'gauge', help, labels: ['participant'], samples };
}

function labelled(
  about: { readonly name: string; readonly type: 'counter' | 'gauge'; readonly help: string },
  label: string,
  values: (participant: ParticipantReading) => Readonly<Record<string, number>>,
): Metric<ParticipantReading> {
  const samples = (of: ParticipantReading) =>
    Object.entries(values(of)).map(([name, value]) => ({
      labels: { participant: of.name, [label]: name },
      value,
    }));
  return { ...about, labels: ['participant', label], samples };
}

export const participantMetrics: readonly Metric<ParticipantReading>[] = [
  labelled(
    {
      name: 'verdict_participant_votes_total',
      type: 'counter',
      help: 'Votes that were sent; a repeat counts again.',
    },
    'vote',
    ({ figures }) => ({ ...figures.votes }),
  ),
  {
    name: prepareName,
    type: 'histogram',
    help: 'How long `prepare` of the application took, with its wait for its turn.',
    labels: ['participant'],
    samples: ({ name, figures: { prepare } }) => {
      const given = { bounds: bucketsMs, unit: 1_000, labels: { participant: name } };
      return histogram(prepareName, prepare, given);
    },
  },
  labelled(
    {
      name: 'verdict_participant_decisions_total',
      type: 'counter',
      help: 'Decisions that were carried out and acknowledged; a repeat counts again.',
    },
    'decision',
    ({ figures }) => ({ ...figures.ended }),
  ),
  labelled(
    {
      name: 'verdict_participant_decision_failures_total',
      type: 'counter',
      help: 'Decisions that could not be carried out: `commit` or `rollback` threw. They come again.',
    },
    'decision',
    ({ figures }) => ({ ...figures.failed }),
  ),
  labelled(
    {
      name: 'verdict_participant_late_calls',
      type: 'gauge',
      help: 'Calls of the application that have not returned after 10 s; a `prepare`: 10 s past its time-out. Each keeps a place of `maxConcurrency`.',
    },
    'call',
    ({ late }) => ({ ...late }),
  ),
  gauge(
    'verdict_participant_in_doubt',
    'Branches that voted commit and do not know their outcome.',
    ({ inDoubt }) => inDoubt,
  ),
  labelled(
    {
      name: 'verdict_participant_branches',
      type: 'gauge',
      help: 'Branches in memory, by state.',
    },
    'state',
    ({ branches }) => branches,
  ),
  gauge(
    'verdict_participant_nodes',
    'Nodes that it is connected to.',
    ({ connections }) => connections,
  ),
  {
    name: 'verdict_participant_welcomes_total',
    type: 'counter',
    help: 'Connections that a node welcomed: the first ones, and those after a loss.',
    labels: ['participant'],
    samples: ({ name, figures }) => [{ labels: { participant: name }, value: figures.welcomes }],
  },
  labelled(
    {
      name: 'verdict_participant_alarms_total',
      type: 'counter',
      help: 'Alarms, by what they are: an operator must look.',
    },
    'alarm',
    ({ figures }) => Object.fromEntries(figures.alarms),
  ),
];
