/**
 * What the terms of a node counted and timed since its start: how transactions ended, and how long
 * each part of them took. Whoever wants rates or percentiles takes the difference of two readings.
 */

/** Upper bounds in milliseconds; what is above them all is in a last bucket. */
export const bucketsMs: readonly number[] = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000,
];

/** A histogram as it stands. */
export interface HistogramReading {
  /** As many as there are bounds, and one for what is above them. Not cumulative. */
  readonly counts: readonly number[];
  readonly count: number;
  readonly sumMs: number;
}

export class Histogram implements HistogramReading {
  readonly counts: number[];
  count = 0;
  sumMs = 0;
  private readonly bounds: readonly number[];

  constructor(bounds: readonly number[] = bucketsMs) {
    this.bounds = bounds;
    this.counts = new Array(bounds.length + 1).fill(0);
  }

  record(ms: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && ms > (bounds[bucket] as number)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.count += 1;
    this.sumMs += ms;
  }

  reading(): HistogramReading {
    const { counts, count, sumMs } = this;
    return { counts: [...counts], count, sumMs };
  }
}

/** The parts of a transaction, in their order. */
export const phases = [
  /** From its begin until its prepares may leave: application, locks, a participant's queue. */
  'wait',
  /** Until the last vote. */
  'prepare',
  /** Until the commit is durable. */
  'log',
  /** From the begin until the outcome is known. */
  'decide',
  /** From the outcome until every branch has acknowledged it. */
  'settle',
] as const;
export type Phase = (typeof phases)[number];

/** `committed`, `readonly`, or the code of why it aborted; `OTHER` where there are too many. */
export type Ending = string;

const maxEndings = 48;
const maxMissing = 200;

export class Figures {
  readonly endings: Map<Ending, number> = new Map();
  readonly phases: Readonly<Record<Phase, Histogram>> = {
    wait: new Histogram(),
    prepare: new Histogram(),
    log: new Histogram(),
    decide: new Histogram(),
    settle: new Histogram(),
  };
  /** Commands of phase 2 that were sent again. */
  retries = 0;
  /** Times that a transaction was flagged for an operator. */
  flagged = 0;
  /** What participants and others asked about transactions that they are in doubt of. */
  doubts = 0;
  /** Aborts that someone forced, of what is not its own to end. */
  forced = 0;
  /** Leaderships of this node: begun, ended against its will, given up. */
  readonly leaderships: { begun: number; lost: number; given: number } = {
    begun: 0,
    lost: 0,
    given: 0,
  };
  /** Times that a shard was seen under another epoch than before. */
  epochChanges = 0;
  /** Answers to peers that were errors, by code. */
  readonly refusals: Map<string, number> = new Map();

  /** Prepares that a participant gave no vote to in time; of further ones under one name. */
  readonly missedVotes: Map<string, number> = new Map();

  missedVote(participant: string): void {
    const isKnown = this.missedVotes.has(participant) || this.missedVotes.size < maxMissing;
    const counted = isKnown ? participant : 'other';
    this.missedVotes.set(counted, (this.missedVotes.get(counted) ?? 0) + 1);
  }

  /** `code`: of the catalogue, which bounds them. */
  refused(code: string): void {
    this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
  }

  ended(ending: Ending): void {
    // Participants give codes of their own.
    const isKnown = this.endings.has(ending) || this.endings.size < maxEndings;
    const counted = isKnown ? ending : 'OTHER';
    this.endings.set(counted, (this.endings.get(counted) ?? 0) + 1);
  }
}
