/**
 * One direction of one connection: takes units in, lets them out in time, in order, once - or as it
 * was told to disturb them. Blocked, it keeps what comes, as a sender's kernel does behind a cut
 * cable.
 */
import { performance } from 'node:perf_hooks';
import type { Disturbance } from './disturbance.ts';
import type { Unit } from './frames.ts';

export interface LaneOptions {
  /** False: no more should come until `writable` is called. */
  readonly write: (bytes: Buffer) => boolean;
  /** Called when more should, or may again, be read from the sender. */
  readonly flow: (flowing: boolean) => void;
  /** From 0 to 1. */
  readonly chance: () => number;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly dueMs: number;
  /** The sender has closed: what the receiver is to hear of it, after all that was sent before. */
  readonly last?: () => void;
}

/** Kept while blocked or delayed; past it the sender is read no further. */
const maxWaitingBytes = 1024 * 1024;
const nothing: Buffer = Buffer.alloc(0);

export class Lane {
  readonly #options: LaneOptions;
  /** By the time they are due. */
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #disturbance: Disturbance | null = null;
  #blocked = false;
  #full = false;
  /** When the last one that keeps its place leaves: none that keeps its place leaves before it. */
  #lastDueMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #messages = 0;
  #closed = false;

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  push(unit: Unit): void {
    if (this.#closed) return;
    const { bytes } = unit;
    const disturbance = this.#disturbanceOf(unit);
    const nowMs = performance.now();
    const { chance } = this.#options;
    if (disturbance !== null && chance() < disturbance.drop) return;
    const { delayMs = 0, jitterMs = 0, lagMs = 0 } = disturbance ?? this.#disturbance ?? {};
    const dueMs = nowMs + delayMs + (jitterMs === 0 ? 0 : chance() * jitterMs);
    if (disturbance !== null && chance() < disturbance.reorder) {
      this.#insert({ bytes, dueMs: Math.max(dueMs, this.#lastDueMs) + chance() * lagMs });
    } else {
      this.#lastDueMs = Math.max(dueMs, this.#lastDueMs);
      this.#insert({ bytes, dueMs: this.#lastDueMs });
    }
    if (disturbance !== null && chance() < disturbance.duplicate) {
      this.#insert({ bytes, dueMs: this.#lastDueMs + chance() * lagMs });
    }
    this.#release();
  }

  /**
   * The sender has closed. The receiver hears of it as late as of everything else: behind a cut,
   * not at all.
   */
  end(last: () => void): void {
    if (this.#closed) return;
    this.#insert({ bytes: nothing, dueMs: this.#waiting.at(-1)?.dueMs ?? 0, last });
    this.#release();
  }

  disturb(disturbance: Disturbance | null): void {
    this.#disturbance = disturbance;
  }

  block(): void {
    this.#blocked = true;
    this.#options.flow(false);
  }

  unblock(): void {
    this.#blocked = false;
    this.#release();
  }

  /** The receiver takes more again. */
  writable(): void {
    this.#full = false;
    this.#release();
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#waiting = [];
  }

  /** What may happen to this unit; null: nothing but delay. */
  #disturbanceOf(unit: Unit): Disturbance | null {
    if (unit.kind !== 'message') return null;
    this.#messages += 1;
    const disturbance = this.#disturbance;
    return disturbance !== null && this.#messages > disturbance.sparingFirst ? disturbance : null;
  }

  #insert(entry: Waiting): void {
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1] as Waiting).dueMs > entry.dueMs) at -= 1;
    this.#waiting.splice(at, 0, entry);
    this.#waitingBytes += entry.bytes.length;
  }

  #release(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    while (!this.#blocked && !this.#full && !this.#closed) {
      const [next] = this.#waiting;
      if (next === undefined) break;
      const leftMs = next.dueMs - performance.now();
      if (leftMs > 0) {
        this.#timer = setTimeout(() => this.#release(), Math.ceil(leftMs));
        break;
      }
      this.#waiting.shift();
      this.#waitingBytes -= next.bytes.length;
      if (next.last === undefined) this.#full = !this.#options.write(next.bytes);
      else next.last();
    }
    if (!this.#closed) {
      this.#options.flow(!this.#blocked && !this.#full && this.#waitingBytes < maxWaitingBytes);
    }
  }
}
