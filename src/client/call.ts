/** One call of the user's: its deadline and its signal, through all that it takes. */
import { nodeBounds } from '../core/node-bounds.ts';
import { abortedByCaller, VerdictError } from '../peer/verdict-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { CallOptions } from './types.ts';

/** A call waits this much longer than its transaction, so that it hears of the time-out. */
export const callMarginMs = 5_000;

export class Call {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
  readonly #clock: Clock;
  readonly #endsAtMs: number;

  /** `within`: a longer undertaking that this call is a part of, and ends with. */
  constructor(
    clock: Clock,
    options: CallOptions & {
      readonly defaultTimeoutMs: number;
      readonly within?: Call | undefined;
    },
  ) {
    const { within, signal } = options;
    const timeoutMs = options.timeoutMs ?? options.defaultTimeoutMs;
    if (!(timeoutMs >= 0)) throw new RangeError(`timeoutMs must be 0 or more, not ${timeoutMs}`);
    this.timeoutMs = Math.min(timeoutMs, within?.leftMs() ?? Number.POSITIVE_INFINITY);
    this.#clock = clock;
    this.#endsAtMs = clock.monotonicMs() + this.timeoutMs;
    const signals = [signal, within?.signal].filter((each) => each !== undefined);
    this.signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
  }

  leftMs(): number {
    return Math.max(0, this.#endsAtMs - this.#clock.monotonicMs());
  }

  /** Why the call may not go on, or null. */
  over(): VerdictError | null {
    if (this.signal?.aborted) {
      return abortedByCaller({ acted: 'nothing', cause: this.signal.reason });
    }
    return this.leftMs() > 0 ? null : this.#timedOut();
  }

  /**
   * Waits for `done`, which `begin` gets and must not call before it returns. Rejects when the call
   * is over; with `timed: false` whoever holds it sees to that. What `begin` returns is called at
   * the end in either case.
   */
  hold(
    begin: (done: (error?: Error) => void) => () => void,
    { timed = true }: { readonly timed?: boolean } = {},
  ): Promise<void> {
    const over = this.over();
    if (over !== null) return Promise.reject(over);
    return new Promise((resolve, reject) => {
      const end = (error?: Error): void => {
        timer?.cancel();
        this.signal?.removeEventListener('abort', aborted);
        stop();
        if (error === undefined) resolve();
        else reject(error);
      };
      const aborted = (): void => {
        end(abortedByCaller({ acted: 'nothing', cause: this.signal?.reason }));
      };
      const timer = timed ? this.#clock.setTimer(this.leftMs(), () => end(this.#timedOut())) : null;
      this.signal?.addEventListener('abort', aborted, { once: true });
      const stop = begin(end);
    });
  }

  #timedOut(): VerdictError {
    const text = `The call was not through within ${Math.round(this.timeoutMs)} ms. It was waiting for a node; nothing more was sent.`;
    return new VerdictError('TIMEOUT', text, { retryable: true, acted: 'nothing' });
  }
}

/**
 * It commits within the whole call or never: longer, it would keep its locks from others where this
 * process died, and the call would end with an unknown outcome in place of an abort. A tenth less,
 * for its end to be heard of in time; more of what is short.
 */
export function endingWithin<Settings extends { readonly timeoutMs?: number | undefined }>(
  whole: Pick<Call, 'leftMs'>,
  settings: Settings,
): Settings {
  const leftMs = whole.leftMs();
  const timeoutMs = Math.max(
    1,
    Math.floor(Math.min(leftMs * 0.9, Math.max(leftMs - 250, leftMs / 2))),
  );
  const asked = settings.timeoutMs || nodeBounds.transactionTimeoutMs.default;
  return asked <= timeoutMs ? settings : { ...settings, timeoutMs };
}
