/**
 * How long to wait for a vote, from how long the votes of one participant took.
 *
 * The estimate is TCP's (Jacobson 1988, RFC 6298): a smoothed mean and a smoothed deviation. What
 * differs:
 * - A prepare's latency is less even than a network's, for it may wait for locks: a factor on top.
 * - The first few say too little: until then the longest wait holds.
 * - A time-out doubles the wait until an answer is measured again (Karn and Partridge 1987).
 *   Without it a participant that has become slower than the estimate would never be waited for
 *   long enough to be measured. An answer that comes after its transaction was given up is measured
 *   too.
 * - Measured is the time to the first sign of life, a vote or `working`: what is at work is waited
 *   for anyhow.
 */

const samplesMin = 8;
const factor = 4;
const deviations = 4;

export class Latency {
  private samples = 0;
  private meanMs = 0;
  private deviationMs = 0;
  private backoff = 1;

  measured(tookMs: number): void {
    this.backoff = 1;
    this.samples += 1;
    if (this.samples === 1) {
      this.meanMs = tookMs;
      this.deviationMs = tookMs / 2;
      return;
    }
    this.deviationMs += (Math.abs(this.meanMs - tookMs) - this.deviationMs) / 4;
    this.meanMs += (tookMs - this.meanMs) / 8;
  }

  timedOut(): void {
    this.backoff = Math.min(this.backoff * 2, 1_024);
  }

  /** Within the bounds; a least one above the longest means the longest. */
  timeoutMs(bounds: { readonly minMs: number; readonly maxMs: number }): number {
    if (this.samples < samplesMin) return bounds.maxMs;
    const estimateMs = this.meanMs + deviations * this.deviationMs;
    const wantedMs = Math.max(factor * estimateMs, bounds.minMs) * this.backoff;
    return Math.min(wantedMs, bounds.maxMs);
  }
}
