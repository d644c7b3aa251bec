/** Percentiles of any number of latencies in constant memory, each within 1% of the true one. */

const growth = 1.02;
const logGrowth: number = Math.log(growth);
/** Up to more than an hour; the first bucket holds all below 0.01 ms. */
const buckets = 1_024;
const msMin = 0.01;

export class Latencies {
  readonly #counts = new Float64Array(buckets);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(ms: number): void {
    const bucket = ms <= msMin ? 0 : Math.ceil(Math.log(ms / msMin) / logGrowth);
    const index = Math.min(bucket, buckets - 1);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#count += 1;
  }

  /** `fraction` 0.99: the latency that 99% did not exceed. Null where there are none. */
  percentileMs(fraction: number): number | null {
    if (this.#count === 0) return null;
    const rank = Math.max(1, Math.ceil(fraction * this.#count));
    let seen = 0;
    let index = 0;
    while (index < buckets - 1) {
      seen += this.#counts[index] ?? 0;
      if (seen >= rank) break;
      index += 1;
    }
    // The middle of the bucket.
    return msMin * growth ** (index - 0.5);
  }
}
