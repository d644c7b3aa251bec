/**
 * How much may be under way with one peer at a time, and who waits for a place: first come, first served.
 *
 * Used twice: for the prepares of one participant whose vote is outstanding (a bulkhead: what is stalled in one
 * compartment cannot fill the others), and for the commands of phase 2 on one connection, so that a participant that
 * comes back gets its backlog in pieces. Those who wait are few words of memory each, and the queue is bounded where
 * its content can be refused; a commit cannot, and is held in memory by its transaction anyhow.
 */
export class Window<Waiting> {
  readonly #limit: number;
  readonly #maxWaiting: number;
  readonly #waiting = new Set<Waiting>();
  #outstanding = 0;

  constructor(given: { readonly limit: number; readonly maxWaiting: number }) {
    this.#limit = given.limit;
    this.#maxWaiting = given.maxWaiting;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** More places than there are can be had by one alone: or it would wait for ever. */
  fits(places: number): boolean {
    return this.#outstanding === 0 || this.#outstanding + places <= this.#limit;
  }

  take(places: number): void {
    this.#outstanding += places;
  }

  release(): void {
    this.#outstanding -= 1;
  }

  /** False where the queue is full. */
  wait(one: Waiting): boolean {
    if (this.#waiting.size >= this.#maxWaiting) return false;
    this.#waiting.add(one);
    return true;
  }

  leave(one: Waiting): void {
    this.#waiting.delete(one);
  }

  /** Who has waited longest. */
  first(): Waiting | null {
    for (const one of this.#waiting) return one;
    return null;
  }
}
