/**
 * An open loop: requests are due at times that were drawn before, whatever becomes of the earlier
 * ones, and latency counts from when each was due. What is sent late, because this process was busy
 * or the pacer woke late, has waited: that is no one's to omit.
 */
import { performance } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import type { Random } from '../../../src/ports/random.ts';
import { within } from '../../support/process/child.ts';
import { latenciesOf, type Measured, median, nameOf } from '../load.ts';
import type { PacerData } from './pacer.ts';

export interface OpenMeasured extends Omit<Measured, 'perSecond'> {
  readonly offeredPerSecond: number;
  /** How much later than due the median request was sent. */
  readonly lateMs: number;
}

/** A Poisson process: when each request is due, in milliseconds from the start. */
export function poissonArrivals(given: {
  readonly perSecond: number;
  readonly durationMs: number;
  readonly random: Pick<Random, 'fraction'>;
}): number[] {
  const { perSecond, durationMs, random } = given;
  const meanMs = 1_000 / perSecond;
  const due: number[] = [];
  // 1 - fraction: never the logarithm of 0.
  let atMs = -Math.log(1 - random.fraction()) * meanMs;
  while (atMs < durationMs) {
    due.push(atMs);
    atMs += -Math.log(1 - random.fraction()) * meanMs;
  }
  return due;
}

const answerTimeoutMs = 60_000;

/** Answers that have all come; what failed is counted, and its latency has no end. */
export async function runOpenLoop(given: {
  readonly due: readonly number[];
  readonly durationMs: number;
  /** Given when it was due, and when the load began. */
  readonly one: (due: { readonly dueMs: number; readonly startMs: number }) => Promise<void>;
}): Promise<OpenMeasured> {
  const { due, durationMs, one } = given;
  const latencies: number[] = [];
  const late: number[] = [];
  const answers: Promise<void>[] = [];
  const failures: Record<string, number> = {};
  let failed = 0;
  let next = 0;
  await paced(due, (startMs) => {
    for (;;) {
      const dueMs = due[next];
      const nowMs = performance.now() - startMs;
      if (dueMs === undefined || dueMs > nowMs) return next === due.length;
      next += 1;
      late.push(nowMs - dueMs);
      const answer = one({ dueMs, startMs }).then(
        () => void latencies.push(performance.now() - startMs - dueMs),
        (error: unknown) => {
          failed += 1;
          failures[nameOf(error)] = (failures[nameOf(error)] ?? 0) + 1;
          latencies.push(Number.POSITIVE_INFINITY);
        },
      );
      answers.push(answer);
    }
  });
  await within(Promise.all(answers), 'all answers of an open loop', answerTimeoutMs);
  return {
    ...latenciesOf(latencies),
    count: latencies.length - failed,
    offeredPerSecond: (due.length / durationMs) * 1_000,
    failed,
    failures,
    lateMs: median(late),
  };
}

/** Where so many are due in a millisecond, to wake for each would cost more than some are late. */
const manyInMs = 8;

/**
 * Calls `send` when something is due, until it says that all is sent. A thread of its own waits: a
 * timer of the event loop is a millisecond late.
 */
async function paced(due: readonly number[], send: (startMs: number) => boolean): Promise<void> {
  if (due.length === 0) return;
  const pending = new Int32Array(new SharedArrayBuffer(4));
  const leastMs = due.length > manyInMs * (due.at(-1) ?? 0) ? 1 : 0;
  const workerData: PacerData = { due, leastMs, pending };
  const worker = new Worker(new URL('./pacer.ts', import.meta.url), { workerData });
  try {
    await new Promise<void>((resolve, reject) => {
      worker.on('error', reject);
      // It runs: what comes now is not late for its start.
      worker.once('message', () => {
        const startMs = performance.now();
        worker.on('message', () => {
          Atomics.store(pending, 0, 0);
          if (send(startMs)) resolve();
        });
        worker.postMessage(performance.timeOrigin + startMs);
      });
    });
  } finally {
    await worker.terminate();
  }
}
