/** What is to happen, by its time: a binary heap in flat arrays, for many millions of events. */

export interface NextEvent {
  atMs: number;
  type: number;
  /** What it is about: a transaction, a process, a shard. */
  subject: number;
  /** Which part of it. */
  part: number;
}

export class EventQueue {
  size = 0;
  #at = new Float64Array(1_024);
  #type = new Uint8Array(1_024);
  #subject = new Int32Array(1_024);
  #part = new Int32Array(1_024);
  /** Filled anew by each `next`: nothing is allocated for an event. */
  readonly #next: NextEvent = { atMs: 0, type: 0, subject: 0, part: 0 };

  add(atMs: number, type: number, subject: number, part = 0): void {
    if (this.size === this.#at.length) this.#grow();
    let place = this.size;
    this.size += 1;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if ((this.#at[parent] as number) <= atMs) break;
      this.#move(parent, place);
      place = parent;
    }
    this.#at[place] = atMs;
    this.#type[place] = type;
    this.#subject[place] = subject;
    this.#part[place] = part;
  }

  /** The earliest; null of none. Valid until the next call. */
  next(): NextEvent | null {
    if (this.size === 0) return null;
    const next = this.#next;
    next.atMs = this.#at[0] as number;
    next.type = this.#type[0] as number;
    next.subject = this.#subject[0] as number;
    next.part = this.#part[0] as number;
    this.size -= 1;
    if (this.size > 0) this.#sink();
    return next;
  }

  /** The last one takes the place of the first. */
  #sink(): void {
    const last = this.size;
    const atMs = this.#at[last] as number;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= last) break;
      const right = child + 1;
      if (right < last && (this.#at[right] as number) < (this.#at[child] as number)) child = right;
      if ((this.#at[child] as number) >= atMs) break;
      this.#move(child, place);
      place = child;
    }
    this.#move(last, place);
  }

  #move(from: number, to: number): void {
    this.#at[to] = this.#at[from] as number;
    this.#type[to] = this.#type[from] as number;
    this.#subject[to] = this.#subject[from] as number;
    this.#part[to] = this.#part[from] as number;
  }

  #grow(): void {
    const size = 2 * this.#at.length;
    const at = new Float64Array(size);
    const type = new Uint8Array(size);
    const subject = new Int32Array(size);
    const part = new Int32Array(size);
    at.set(this.#at);
    type.set(this.#type);
    subject.set(this.#subject);
    part.set(this.#part);
    [this.#at, this.#type, this.#subject, this.#part] = [at, type, subject, part];
  }
}
