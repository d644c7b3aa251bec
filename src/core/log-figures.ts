/** What a decision log counted and timed since it was opened. */
import { Histogram } from './figures.ts';

export const logOperations = [
  /** A batch of commits made durable in etcd. */
  'decide',
  /** A move of records to finished/ in etcd. */
  'finish',
  'read',
  /** A transaction of the embedded log, whatever is in it. */
  'flush',
  /** Elections, ticks, collection. */
  'other',
] as const;
export type LogOperation = (typeof logOperations)[number];

/** Of what shares one write. */
export const batchBounds: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];

class OperationFigures {
  /** Of attempts that were answered. */
  readonly latency: Histogram = new Histogram();
  /** Attempts without an answer. */
  failures = 0;
}

export class LogFigures {
  readonly operations: Readonly<Record<LogOperation, OperationFigures>> = {
    decide: new OperationFigures(),
    finish: new OperationFigures(),
    read: new OperationFigures(),
    flush: new OperationFigures(),
    other: new OperationFigures(),
  };
  /** Commits that were made durable. */
  appends = 0;
  /** Finished records of the shards that it leads which it cannot read. */
  unreadable = 0;
  /** How many operations shared a write. */
  readonly batch: Histogram = new Histogram(batchBounds);
}
