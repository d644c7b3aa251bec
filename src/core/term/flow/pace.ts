/**
 * How fast one participant serves those that wait for it, and when those that were refused should
 * come again.
 *
 * Measured only while someone waits: at other times its places come free as fast as transactions
 * come, which says nothing.
 *
 * Who is refused is to come when its turn would be: after the time it takes to serve all who were
 * told to come again. How many those are no one knows, but that they come too soon shows: more are
 * refused than served. So the pause grows with the one over the other, and shrinks again.
 */
const periodMs = 100;
const retryMsMin = 100;
const retryMsMax = 5_000;

export class Pace {
  private sinceMs: number | null = null;
  private served = 0;
  private refusals = 0;
  private perMs: number | null = null;
  private retryMs = retryMsMin;

  /** Someone waits. */
  begins(nowMs: number): void {
    this.sinceMs ??= nowMs;
  }

  /** A place came free. `isWanted`: someone waited for it. */
  freed(nowMs: number, isWanted: boolean): void {
    if (!isWanted) {
      if (this.sinceMs === null) return;
      this.sinceMs = null;
      this.served = 0;
      this.refusals = 0;
      // No one waits any more: those who come next need not stay away so long.
      this.retryMs = Math.max(retryMsMin, this.retryMs / 2);
      return;
    }
    this.sinceMs ??= nowMs;
    this.served += 1;
    const tookMs = nowMs - this.sinceMs;
    if (tookMs < periodMs) return;
    const perMs = this.served / tookMs;
    this.perMs = this.perMs === null ? perMs : (this.perMs + perMs) / 2;
    const factor = Math.min(2, Math.max(0.5, this.refusals / this.served));
    this.retryMs = Math.min(retryMsMax, Math.max(retryMsMin, this.retryMs * factor));
    this.sinceMs = nowMs;
    this.served = 0;
    this.refusals = 0;
  }

  /** How long it takes to serve so many; null while that is not known. */
  waitMs(count: number): number | null {
    return this.perMs === null ? null : count / this.perMs;
  }

  /** One is refused. When to come again, in milliseconds. */
  refuse(): number {
    this.refusals += 1;
    return Math.round(this.retryMs);
  }
}
