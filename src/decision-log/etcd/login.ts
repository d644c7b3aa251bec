/**
 * A node's login at an etcd with accounts: one token, for all of its clients.
 *
 * Etcd checks a password with bcrypt, which keeps a core busy for a good part of a second, and
 * forgets its tokens when it is restarted: then everyone logs in at once. So
 * - a process logs in once at a time, and all calls wait for that one;
 * - the login has a limit of its own, well above that of a call: one that is given up has cost etcd
 *   just as much, and the next comes on top of it: the overload would keep itself alive;
 * - after a failure the pause doubles, half of it chance;
 * - a token is fetched anew only by who was refused with the newest one.
 */
import { backoffMs } from '../../core/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import { pause } from '../../system/pause.ts';

/** One login: etcd may have many to check before it. */
export const loginTimeoutMs = 10_000;
const delays = { retryDelayMs: 100, maxRetryDelayMs: 5_000 };

export interface EtcdLoginOptions {
  /** Asks etcd for a token. Ends by itself, after `loginTimeoutMs` at the latest. */
  readonly authenticate: () => Promise<string>;
  readonly clock: Clock;
  readonly random: Pick<Random, 'fraction'>;
}

export class EtcdLogin {
  readonly #options: EtcdLoginOptions;
  #token: string | null = null;
  #underWay: Promise<string> | null = null;
  #failures = 0;
  readonly #closed = new AbortController();

  constructor(options: EtcdLoginOptions) {
    this.#options = options;
  }

  /** The newest token; null before the first login, and after etcd refused the last one. */
  get current(): string | null {
    return this.#token;
  }

  /** Rejects with the login's error; the next call tries again, after a pause. */
  token(): Promise<string> {
    if (this.#token !== null) return Promise.resolve(this.#token);
    this.#underWay ??= this.#fetch().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  refused(token: string | null): void {
    if (token === this.#token) this.#token = null;
  }

  async #fetch(): Promise<string> {
    const { clock, random } = this.#options;
    if (this.#failures > 0) {
      const pauseMs = backoffMs(this.#failures, delays, random.fraction());
      await pause(clock, pauseMs, this.#closed.signal);
    }
    try {
      this.#token = await this.#options.authenticate();
    } catch (error) {
      this.#failures += 1;
      throw error;
    }
    this.#failures = 0;
    return this.#token;
  }

  /** Ends a pause: no one wants the token any more. */
  close(): void {
    this.#closed.abort(new Error('The connection to etcd was closed.'));
  }
}
