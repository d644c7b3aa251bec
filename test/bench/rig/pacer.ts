/** The thread that wakes an open loop: it sleeps by itself, until each request is due. */
import { performance } from 'node:perf_hooks';
import { parentPort, workerData } from 'node:worker_threads';

export interface PacerData {
  /** In milliseconds from the start. */
  readonly due: readonly number[];
  /** It sleeps for no less. */
  readonly leastMs: number;
  /** 1 while the last message is unread: one more would say nothing new. */
  readonly pending: Int32Array;
}

const { due, leastMs, pending } = workerData as PacerData;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** The start in milliseconds of the epoch, as `performance.timeOrigin` is. */
parentPort?.once('message', (startMs: number) => {
  const nowMs = (): number => performance.timeOrigin + performance.now() - startMs;
  for (const dueMs of due) {
    for (let leftMs = dueMs - nowMs(); leftMs > 0; leftMs = dueMs - nowMs()) {
      Atomics.wait(sleeper, 0, 0, Math.max(leftMs, leastMs));
    }
    if (Atomics.exchange(pending, 0, 1) === 0) parentPort?.postMessage(null);
  }
});
parentPort?.postMessage(null);
