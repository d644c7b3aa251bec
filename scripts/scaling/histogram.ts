/** Times, in steps of 2%: what many millions of them come to, in little room. */

const leastMs = 0.001;
const step = Math.log(1.02);
const steps = 1_000;

export class Histogram {
  readonly #counts = new Uint32Array(steps);
  count = 0;

  add(ms: number): void {
    const place = ms <= leastMs ? 0 : Math.ceil(Math.log(ms / leastMs) / step);
    const index = Math.min(place, steps - 1);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.count += 1;
  }

  /** The least that at least this part of all is not above, rounded up. NaN of none. */
  percentile(part: number): number {
    if (this.count === 0) return Number.NaN;
    let left = Math.max(1, Math.ceil(this.count * part));
    for (let index = 0; index < steps; index += 1) {
      left -= this.#counts[index] as number;
      if (left <= 0) return index === 0 ? 0 : leastMs * Math.exp(index * step);
    }
    return Number.NaN;
  }
}
