/**
 * How fast one participant serves those that wait for it, and when those that were refused should
 * come again.
 *
 * Measured only while someone waits: at other times its places come free as fast as transactions
 * come, which says nothing. And from one place that came free until each was taken several times:
 * a participant that takes a second for each may serve a window full at once, then none for a
 * second, and the first of them would be taken for all that it does in one.
 *
 * Who is refused is to come when its turn would be: after the time it takes to serve all who were
 * told to come again. How many those are no one knows, but that they come too soon shows: more are
 * refused than served. So the pause grows with the one over the other, and shrinks again.
 */
const periodMs = 100;
const turns = 3;
const retryMsMin = 100;
const retryMsMax = 5_000;

export class Pace {
  private sinceMs: number | null = null;
  private served = 0;
  private refusals = 0;
  /** Of what is measured: when the first place came free, and how many after it. */
  private firstMs: number | null = null;
  private after = 0;
  private perMs: number | null = null;
  private retryMs = retryMsMin;

  /** Someone waits. */
  begins(nowMs: number): void {
    this.sinceMs ??= nowMs;
  }

  /** A place came free, of so many that were taken. `isWanted`: someone waited for it. */
  freed(nowMs: number, { taken, isWanted }: { taken: number; isWanted: boolean }): void {
    if (!isWanted) {
      this.firstMs = null;
      if (this.sinceMs === null) return;
      this.sinceMs = null;
      this.served = 0;
      this.refusals = 0;
      // No one waits any more: those who come next need not stay away so long.
      this.retryMs = Math.max(retryMsMin, this.retryMs / 2);
      return;
    }
    this.measure(nowMs, taken);
    this.sinceMs ??= nowMs;
    this.served += 1;
    if (nowMs - this.sinceMs < periodMs) return;
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

  private measure(nowMs: number, taken: number): void {
    if (this.firstMs !== null) {
      this.after += 1;
      const tookMs = nowMs - this.firstMs;
      if (tookMs < periodMs || this.after < turns * taken) return;
      const perMs = this.after / tookMs;
      this.perMs = this.perMs === null ? perMs : (this.perMs + perMs) / 2;
    }
    this.firstMs = nowMs;
    this.after = 0;
  }
}
