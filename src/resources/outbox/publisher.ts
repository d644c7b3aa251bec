/** Publishes what is queued: one message after the other, each until it succeeds. */
import { backoffMs } from '../../core/backoff.ts';
import { thrownLine } from '../../core/thrown.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Random } from '../../ports/random.ts';
import { pauseOrAbort } from '../../system/pause.ts';
import type { BranchStore } from '../branch-store.ts';
import { headOf, type OutboxMessage, type PreparedMessages, type Queued } from './queue.ts';

/** What `publish` gets beside the message. */
export interface PublishCall {
  /** 1 for the first try since the outbox was opened. */
  readonly attempt: number;
  /** Fires when the outbox closes: end soon. The next start publishes what is left. */
  readonly signal: AbortSignal;
}

/**
 * Resolves when the receiver has taken the message for certain. Where it rejects, the same message
 * is published again after a pause, and those behind it wait.
 */
export type Publish<Body> = (
  message: OutboxMessage<Body>,
  call: PublishCall,
) => Promise<void> | void;

export interface PublisherOptions {
  readonly publish: Publish<never>;
  readonly disk: BranchStore<PreparedMessages>;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly retryDelayMs: number;
  readonly maxRetryDelayMs: number;
}

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #closing = new AbortController();
  #run: Promise<void> | null = null;
  #woken = false;
  /** Published, though its removal may be under way. */
  #after: string | null = null;
  #removal: Promise<void> = Promise.resolve();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  wake(): void {
    this.#woken = true;
    if (this.#closing.signal.aborted) return;
    this.#run ??= this.#publishAll().finally(() => {
      this.#run = null;
      // Between the last look and this line.
      if (this.#woken) this.wake();
    });
  }

  /** Resolves when nothing is queued and nothing is under way. */
  async idle(): Promise<void> {
    while (this.#run !== null) await this.#run;
    await this.#removal;
  }

  /** Resolves when no call of `publish` is under way any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.idle();
  }

  async #publishAll(): Promise<void> {
    const { disk } = this.#options;
    const { signal } = this.#closing;
    while (!signal.aborted) {
      this.#woken = false;
      const next = disk.snapshot((keys) => headOf(keys, this.#after));
      if (next === null) return;
      if (await this.#publish(next)) await this.#remove(next);
    }
  }

  /** One removal at a time, beside the next `publish`: a crash repeats two messages at most. */
  async #remove({ key }: Queued): Promise<void> {
    this.#after = key;
    await this.#removal;
    this.#removal = this.#takeOff(key);
  }

  /**
   * Tried until it is done, and the rest waits (!): what is published stays in the queue, so that a
   * crash would repeat all of it, and `maxQueue` would count it.
   */
  async #takeOff(key: string): Promise<void> {
    const { disk, clock, random, logger } = this.#options;
    const { signal } = this.#closing;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await disk.run((keys) => keys.remove(key));
        return;
      } catch (error) {
        logger.error(
          { attempt, error: thrownLine(error) },
          'a published message cannot be taken off the queue; it is tried again',
        );
      }
      await pauseOrAbort(clock, backoffMs(attempt, this.#options, random.fraction()), signal);
      // Published again after the next start.
      if (signal.aborted) return;
    }
  }

  async #publish({ message }: Queued): Promise<boolean> {
    const { clock, random, logger, publish } = this.#options;
    const { signal } = this.#closing;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await publish(message as OutboxMessage<never>, { attempt, signal });
        return true;
      } catch (error) {
        const { id } = message;
        logger.warn(
          { id, attempt, error: thrownLine(error) },
          'a message cannot be published; it is tried again',
        );
      }
      await pauseOrAbort(clock, backoffMs(attempt, this.#options, random.fraction()), signal);
    }
    return false;
  }
}
