/**
 * What a service does in its own store before its first prepare: migrations, seeds. They may wait for rows that a branch of
 * the process before still holds, and only this participant can end that one. So:
 *
 *     connected, doubts are being ended -> none is left -> ready() -> prepares run
 *
 * A prepare that comes earlier waits, with its place and its time-out.
 */

import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { BranchRef, PrepareCall, Resource } from '../ports/resource.ts';

const lookMs = 25;
const warnAfterMs = 1_000;

export class Ready {
  #open: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });

  /** The same resource, whose prepares wait. */
  waiting(resource: Resource): Resource {
    const prepare: Resource['prepare'] = async (call) => {
      await this.#openedOr(call);
      return resource.prepare(call);
    };
    return new Proxy(resource, {
      get: (target, name) => {
        if (name === 'prepare') return prepare;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async run(
    ready: () => Promise<void> | void,
    over: {
      readonly clock: Clock;
      readonly logger: Logger;
      readonly unended: () => readonly BranchRef[];
    },
  ): Promise<void> {
    const { clock, logger, unended } = over;
    let warnAtMs = clock.monotonicMs() + warnAfterMs;
    for (let left = unended(); left.length > 0; left = unended()) {
      if (clock.monotonicMs() >= warnAtMs) {
        warnAtMs = Number.POSITIVE_INFINITY;
        logger.warn(
          { branches: left.slice(0, 10), count: left.length },
          'ready waits for branches of the process before that are in doubt, or cannot be ended; their rows are locked. See docs/DATABASES.md, "Migrations"',
        );
      }
      await new Promise<void>((resolve) => {
        clock.setTimer(lookMs, resolve);
      });
    }
    await ready();
    this.#open();
  }

  #openedOr({ signal }: PrepareCall<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(signal.reason);
      if (signal.aborted) return aborted();
      signal.addEventListener('abort', aborted, { once: true });
      void this.#opened.then(() => {
        signal.removeEventListener('abort', aborted);
        resolve();
      });
    });
  }
}
