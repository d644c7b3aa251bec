/**
 * How much may be under way with one peer at a time, and who waits for a place: first come, first
 * served.
 *
 * Used twice: for the prepares of one participant whose vote is outstanding (a bulkhead: what is
 * stalled in one compartment cannot fill the others), and for the commands of phase 2 on one
 * connection, so that a participant that comes back gets its backlog in pieces. Those who wait are
 * few words of memory each. The queue takes all that come: what is too much is refused before it
 * begins (overload.ts), and a commit cannot be.
 */
import { Fifo } from '../../fifo.ts';

export class Window<Waiting> {
  private readonly limit: number;
  private readonly queue = new Fifo<Waiting>();
  private taken = 0;

  constructor(limit: number) {
    this.limit = limit;
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

  wait(one: Waiting): void {
    this.queue.add(one);
  }

  leave(one: Waiting): void {
    this.queue.delete(one);
  }

  /** Who has waited longest. */
  first(): Waiting | null {
    return this.queue.first();
  }
}
