/**
 * Finds half-open connections: a peer that answers none of two pings is silent.
 *
 * A pong proves more than life: what the peer sent before it is older than it. So the time since
 * the last answered ping was sent bounds how long a message may have lain in some buffer.
 */
import type { Clock, Timer } from '../../ports/clock.ts';
import { elapsedMs, type Mark, mark } from '../../system/age.ts';

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly ping: (token: Buffer) => void;
  readonly silent: () => void;
}

const maxPingsUnanswered = 2;

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  /** Sent and not answered: the number in the ping, and when it left. */
  #outstanding: { readonly serial: number; readonly sent: Mark }[] = [];
  #serial = 0;
  #lastAnsweredSent: Mark;
  #dueMs = 0;
  #timer: Timer | null = null;
  #intervalMs: number;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs;
    this.#lastAnsweredSent = mark(options.clock);
    this.#arm();
  }

  /** How long ago the last answered ping was sent; at first, how long the connection is open. */
  answeredAgeMs(): number {
    return elapsedMs(this.#options.clock, this.#lastAnsweredSent);
  }

  /** The peer's interval: a slower one here would only notice later than the peer does. */
  keepUpWith(intervalMs: number): void {
    if (intervalMs >= this.#intervalMs || this.#timer === null) return;
    this.#intervalMs = intervalMs;
    this.#timer.cancel();
    this.#arm();
  }

  /** A pong that answers no outstanding ping (RFC 6455 allows such) says nothing about time. */
  expects(token: Buffer): boolean {
    return this.#find(token) !== -1;
  }

  answered(token: Buffer): void {
    const at = this.#find(token);
    const ping = this.#outstanding[at];
    if (ping === undefined) return;
    this.#lastAnsweredSent = ping.sent;
    // Later pings stay outstanding, earlier ones are answered with this one.
    this.#outstanding = this.#outstanding.slice(at + 1);
  }

  #find(token: Buffer): number {
    if (token.length !== 4) return -1;
    const serial = token.readUInt32BE();
    return this.#outstanding.findIndex((ping) => ping.serial === serial);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#dueMs = clock.monotonicMs() + this.#intervalMs;
    this.#timer = clock.setTimer(this.#intervalMs, this.#beat);
  }

  readonly #beat = (): void => {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    // This process stood still (SIGSTOP, a long computation): pongs may wait unread.
    const paused = nowMs - this.#dueMs > this.#intervalMs / 2;
    if (this.#outstanding.length >= maxPingsUnanswered && !paused) {
      this.#options.silent();
      return;
    }
    if (this.#outstanding.length >= maxPingsUnanswered) this.#outstanding.shift();
    this.#serial = (this.#serial + 1) % 2 ** 32;
    this.#outstanding.push({ serial: this.#serial, sent: mark(clock) });
    const token = Buffer.allocUnsafe(4);
    token.writeUInt32BE(this.#serial);
    this.#arm();
    this.#options.ping(token);
  };
}
