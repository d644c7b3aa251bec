/**
 * How much may be under way with one peer at a time, and who waits for a place: first come, first
 * served.
 *
 * Used twice: for the prepares of one participant whose vote is outstanding (a bulkhead: what is
 * stalled in one compartment cannot fill the others), and for the commands of phase 2 on one
 * connection, so that a participant that comes back gets its backlog in pieces. Those who wait are
 * few words of memory each, and the queue is bounded where its content can be refused; a commit
 * cannot, and is held in memory by its transaction anyhow.
 */
export class Window<Waiting> {
  private readonly limit: number;
  private readonly maxWaiting: number;
  private readonly queue = new Set<Waiting>();
  private taken = 0;

  constructor(given: { readonly limit: number; readonly maxWaiting: number }) {
    this.limit = given.limit;
    this.maxWaiting = given.maxWaiting;
  }

  get outstanding(): number {
    return this.taken;
  }

  get waiting(): number {
    return this.queue.size;
  }

  /** More places than there are can be had by one alone: or it would wait forever. */
  fits(places: number): boolean {
    return this.taken === 0 || this.taken + places <= this.limit;
  }

  take(places: number): void {
    this.taken += places;
  }

  release(): void {
    this.taken -= 1;
  }

  /** False where the queue is full. */
  wait(one: Waiting): boolean {
    if (this.queue.size >= this.maxWaiting) return false;
    this.queue.add(one);
    return true;
  }

  leave(one: Waiting): void {
    this.queue.delete(one);
  }

  /** Who has waited longest. */
  first(): Waiting | null {
    for (const one of this.queue) return one;
    return null;
  }
}
