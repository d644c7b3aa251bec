/**
 * What is to happen, in order: by time, and at one time in the order of scheduling. A binary heap.
 */
export interface Scheduled {
  readonly atMs: number;
  readonly serial: number;
  /** Null once it was cancelled: cheaper than taking it out of the middle. */
  run: (() => void) | null;
}

export class EventHeap {
  readonly #events: Scheduled[] = [];
  #serial = 0;

  get size(): number {
    return this.#events.length;
  }

  push(atMs: number, run: () => void): Scheduled {
    this.#serial += 1;
    const event: Scheduled = { atMs, serial: this.#serial, run };
    const events = this.#events;
    let index = events.length;
    events.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = events[parent] as Scheduled;
      if (isBefore(above, event)) break;
      events[index] = above;
      index = parent;
    }
    events[index] = event;
    return event;
  }

  pop(): Scheduled | null {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (first === undefined || last === undefined) return null;
    if (first !== last) this.#sink(last);
    return first;
  }

  #sink(event: Scheduled): void {
    const events = this.#events;
    const { length } = events;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= length) break;
      const right = child + 1;
      if (right < length && isBefore(events[right] as Scheduled, events[child] as Scheduled)) {
        child = right;
      }
      const below = events[child] as Scheduled;
      if (isBefore(event, below)) break;
      events[index] = below;
      index = child;
    }
    events[index] = event;
  }
}

function isBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.serial < b.serial);
}
