/**
 * How many records a page of decisions/ asks etcd for. Their size is known only afterwards, and a
 * call has a deadline (`callTimeoutMs`): 500 records of 64 KiB are 32 MB, which no etcd sends in a
 * second over a slow line. So a page begins small and grows while what comes is small; one without
 * an answer is asked for again with fewer.
 */

/** Of the first: a megabyte at the most. */
const recordsFirst = 16;
const maxRecords = 500;
/** What a page is meant to hold. Decoding it takes some milliseconds. */
const bytesWanted = 512 * 1_024;
const growth = 4;
const shrink = 4;

export class PageSize {
  #records = recordsFirst;

  /** Asked for next: `limit` at the most. */
  next(limit: number): number {
    return Math.min(limit, this.#records);
  }

  /** As many as were asked for. */
  came(values: readonly Uint8Array[]): void {
    const bytes = values.reduce((sum, value) => sum + value.length, 0);
    const fitting = Math.floor((bytesWanted * values.length) / Math.max(1, bytes));
    this.#records = Math.max(1, Math.min(fitting, this.#records * growth, maxRecords));
  }

  tooMany(): void {
    this.#records = Math.max(1, Math.floor(this.#records / shrink));
  }
}
