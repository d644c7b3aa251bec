/**
 * How late the event loop of this process was lately. Two windows, so that it does not depend on
 * who asks, nor how often: what is told is of the window before and of the one that runs.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';

const windowMs = 15_000;
/** How often it looks: what is shorter is not seen. */
const resolutionMs = 20;

export class LoopDelayMeter {
  readonly #histogram: ReturnType<typeof monitorEventLoopDelay>;
  readonly #timer: NodeJS.Timeout;
  #beforeMs = 0;

  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: resolutionMs });
    this.#histogram.enable();
    this.#timer = setInterval(() => this.#turn(), windowMs);
    this.#timer.unref();
  }

  /** The longest of the last 15 to 30 seconds. */
  reading(): { readonly maxMs: number } {
    return { maxMs: Math.max(this.#beforeMs, this.#longestMs()) };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#histogram.disable();
  }

  #turn(): void {
    this.#beforeMs = this.#longestMs();
    this.#histogram.reset();
  }

  /** Of what is measured an undisturbed loop has the resolution. */
  #longestMs(): number {
    const { count, max } = this.#histogram;
    return count === 0 ? 0 : Math.max(0, max / 1_000_000 - resolutionMs);
  }
}
