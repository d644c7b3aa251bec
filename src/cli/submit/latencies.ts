/** Percentiles of any number of latencies in constant memory, each within 1% of the true one. */
import { createHistogram } from 'node:perf_hooks';

const nsOfMs = 1_000_000;

export class Latencies {
  readonly #histogram = createHistogram();

  add(ms: number): void {
    this.#histogram.record(Math.max(1, Math.round(ms * nsOfMs)));
  }

  /** `fraction` 0.99: the latency that 99% did not exceed. Null where there are none. */
  percentileMs(fraction: number): number | null {
    const { count } = this.#histogram;
    if (count === 0) return null;
    const rank = Math.max(1, Math.ceil(fraction * count));
    // A histogram rounds to the nearest rank: a little less than this one comes to no other.
    return this.#histogram.percentile(((rank - 0.25) / count) * 100) / nsOfMs;
  }
}
