/** So many of one kind, each doing one thing after the other, in the order in which they come. */
import { Histogram } from './histogram.ts';

export class Servers {
  /** How long what came had to wait. */
  readonly waits: Histogram = new Histogram();
  readonly #freeAtMs: Float64Array;
  readonly #workMs: Float64Array;
  readonly #wakesMs: Float64Array;
  readonly #wakeMs: number;
  #fromMs = 0;

  /** `wakeMs`: what it takes one that rests to begin. */
  constructor(count: number, wakeMs = 0) {
    this.#freeAtMs = new Float64Array(count);
    this.#workMs = new Float64Array(count);
    this.#wakesMs = new Float64Array(count);
    this.#wakeMs = wakeMs;
  }

  /** When it is done. */
  serve(server: number, nowMs: number, workMs: number): number {
    const freeAtMs = this.#freeAtMs[server] as number;
    const rests = freeAtMs <= nowMs;
    const wakeMs = rests ? this.#wakeMs : 0;
    const doneMs = (rests ? nowMs : freeAtMs) + wakeMs + workMs;
    this.#freeAtMs[server] = doneMs;
    if (nowMs >= this.#fromMs) {
      this.#workMs[server] = (this.#workMs[server] as number) + workMs;
      this.#wakesMs[server] = (this.#wakesMs[server] as number) + wakeMs;
      this.waits.add(rests ? 0 : freeAtMs - nowMs);
    }
    return doneMs;
  }

  /** Counts from then on. */
  countFrom(ms: number): void {
    this.#fromMs = ms;
  }

  /** Of a time of that length: what was done in it, and with it what beginning took. */
  shares(
    servers: readonly number[],
    lengthMs: number,
  ): { readonly work: number; readonly busy: number } {
    const sum = (of: Float64Array): number =>
      servers.reduce((total, server) => total + (of[server] as number), 0);
    const all = servers.length * lengthMs;
    return { work: sum(this.#workMs) / all, busy: (sum(this.#workMs) + sum(this.#wakesMs)) / all };
  }

  mostWork(lengthMs: number): number {
    return this.#workMs.reduce((most, each) => Math.max(most, each), 0) / lengthMs;
  }
}
