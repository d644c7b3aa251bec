/**
 * Shows the node a fresh JWT before the one of the connection expires, so that the connection
 * stays. Where that fails it is tried again while there is time; where the node refuses it, only a
 * new connection can help, as it does where a certificate expires. The node ends what has expired.
 */
import type { Renewed } from '../core/messages.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { maxTimeoutMs } from '../wire/limits.ts';
import type { JwtSource } from './jwt-source.ts';
import type { LinkOptions } from './link-options.ts';
import { isRequestRetryable, isVerdictError } from './verdict-error.ts';

export interface RenewalOptions {
  /** Null: the next connection brings a fresh certificate. */
  readonly jwt: JwtSource | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly timeoutMs: number;
  /** Sends it; rejects as a request does. */
  readonly show: (jwt: string) => Promise<Renewed>;
  readonly events: {
    /** There is no fresh one. It is asked for again. */
    failed(problem: string): void;
    /** By the node, or for want of a JWT: this connection cannot be kept. */
    refused(): void;
  };
}

/** Of the time that is left: peers that came at once do not all come back at once. */
const earliest = 0.75;
const spread = 0.1;
const minDelayMs = 1_000;
/** No timer is longer. */
const maxDelayMs = maxTimeoutMs - 1;

export class Renewal {
  readonly #given: RenewalOptions;
  #untilMs = 0;
  #timer: Timer | null = null;
  #asking: { cancel(): void } | null = null;
  #serial = 0;

  constructor(given: RenewalOptions) {
    this.#given = given;
  }

  /** Of the connection that there is now. Undefined: it does not expire. */
  start(expiresInMs: number | undefined): void {
    this.stop();
    if (expiresInMs === undefined) return;
    this.#untilMs = this.#given.clock.monotonicMs() + expiresInMs;
    this.#plan();
  }

  stop(): void {
    this.#serial += 1;
    this.#timer?.cancel();
    this.#timer = null;
    this.#asking?.cancel();
    this.#asking = null;
  }

  #plan(): void {
    const { clock, random } = this.#given;
    const leftMs = this.#untilMs - clock.monotonicMs();
    if (leftMs <= 0) return;
    const inMs = leftMs * (earliest + spread * random.fraction());
    const delayMs = Math.min(Math.max(inMs, minDelayMs), maxDelayMs);
    this.#timer = clock.setTimer(delayMs, () => this.#renew());
  }

  #renew(): void {
    const { jwt, clock, timeoutMs, events } = this.#given;
    if (jwt === null) {
      events.refused();
      return;
    }
    this.#asking = jwt.fresh(
      { clock, timeoutMs },
      {
        got: (text) => {
          this.#asking = null;
          void this.#show(text);
        },
        failed: (problem) => {
          this.#asking = null;
          this.#plan();
          events.failed(problem);
        },
      },
    );
  }

  async #show(text: string): Promise<void> {
    const serial = this.#serial;
    try {
      const { expiresInMs } = await this.#given.show(text);
      if (serial === this.#serial) this.start(expiresInMs);
    } catch (error) {
      if (serial !== this.#serial) return;
      const passes = isVerdictError(error) && isRequestRetryable(error);
      if (passes) this.#plan();
      else this.#given.events.refused();
    }
  }
}

/** Null: what is shown does not change, and is over when it is over. */
export function renewalOf(
  { credential, clock, random, events }: LinkOptions,
  link: Pick<RenewalOptions, 'show' | 'timeoutMs'> & { refused(): void },
): Renewal | null {
  const jwt = credential !== undefined && 'jwt' in credential ? credential.jwt : null;
  if (jwt?.isFixed === true) return null;
  const { show, timeoutMs, refused } = link;
  const failed = (problem: string): void => events.withoutJwt?.(problem);
  return new Renewal({ jwt, clock, random, timeoutMs, show, events: { failed, refused } });
}
