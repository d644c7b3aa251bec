/**
 * What a service does in its own store before its first prepare: migrations, seeds. They may wait
 * for rows that a branch of an earlier process holds, which only this participant can end. So:
 *
 *     connected, doubts are being ended -> none is left -> ready() -> prepares run
 *
 * A prepare that comes earlier waits, with its place and its time-out. The whole has a time-out
 * too: whoever starts a service wants to hear that it does not come up, and why.
 */
import { VerdictError } from '../peer/verdict-error.ts';
import type { BranchRef, PrepareCall, Resource } from '../ports/resource.ts';
import { pause } from '../system/pause.ts';
import type { ParticipantContext } from './context.ts';
import { someOf } from './held.ts';
import { withPrepare } from './with-prepare.ts';

/** What a service does in its own store before its first prepare. See `ServeBaseOptions.ready`. */
export type ReadyWork = (call: { readonly signal: AbortSignal }) => Promise<void> | void;

export const readyTimeoutMsDefault = 600_000;

const lookMs = 25;
const warnAfterMs = 1_000;
const warnEveryMs = 60_000;

export interface ReadyOver extends Pick<ParticipantContext, 'clock' | 'logger'> {
  readonly unended: () => readonly BranchRef[];
  /** 0: none. */
  readonly timeoutMs: number;
}

export class Ready {
  readonly #opened = Promise.withResolvers<void>();

  /** The same resource, whose prepares wait. */
  waiting(resource: Resource): Resource {
    return withPrepare(resource, async (call) => {
      await this.#openedOr(call);
      return resource.prepare(call);
    });
  }

  /** Rejects with what `ready` throws, and with TIMEOUT. */
  async run(ready: ReadyWork, over: ReadyOver): Promise<void> {
    const { clock, timeoutMs } = over;
    const untilMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : clock.monotonicMs() + timeoutMs;
    await nothingUnended(over, untilMs);
    await within(ready, over, untilMs);
    this.#opened.resolve();
  }

  #openedOr({ signal }: PrepareCall<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      const aborted = (): void => reject(signal.reason);
      if (signal.aborted) return aborted();
      signal.addEventListener('abort', aborted, { once: true });
      void this.#opened.promise.then(() => {
        signal.removeEventListener('abort', aborted);
        resolve();
      });
    });
  }
}

async function nothingUnended(over: ReadyOver, untilMs: number): Promise<void> {
  const { clock, logger, unended, timeoutMs } = over;
  let warnAtMs = clock.monotonicMs() + warnAfterMs;
  for (let left = unended(); left.length > 0; left = unended()) {
    const nowMs = clock.monotonicMs();
    const branches = someOf(left);
    if (nowMs >= untilMs) {
      const named = branches.map(({ txid, branch }) => `${branch} of ${txid}`).join(', ');
      throw late(
        `ready was not called within ${timeoutMs} ms: ${left.length} branches of the process before are in doubt, or cannot be ended (${named}). A node must be reachable, and the outcome known: see "npx verdict status" and "npx verdict tx show TXID", and start again. Their rows stay locked until then.`,
      );
    }
    if (nowMs >= warnAtMs) {
      warnAtMs = nowMs + warnEveryMs;
      logger.warn(
        { branches, count: left.length },
        'ready waits for branches of the process before that are in doubt, or cannot be ended; their rows are locked. See docs/DATABASES.md, "Migrations"',
      );
    }
    await pause(clock, lookMs);
  }
}

/** What is late goes on, but for its signal: no one can end it from outside. */
async function within(ready: ReadyWork, over: ReadyOver, untilMs: number): Promise<void> {
  const { clock, timeoutMs } = over;
  const controller = new AbortController();
  const { signal } = controller;
  if (untilMs === Number.POSITIVE_INFINITY) return ready({ signal });
  await new Promise<void>((resolve, reject) => {
    const timer = clock.setTimer(Math.max(0, untilMs - clock.monotonicMs()), () => {
      const error = late(
        `ready has not ended within ${timeoutMs} ms of the start. Look in its store for what it waits for; where it just takes longer, raise readyTimeoutMs.`,
      );
      controller.abort(error);
      reject(error);
    });
    const done = Promise.resolve().then(() => ready({ signal }));
    done.finally(() => timer.cancel()).then(resolve, reject);
  });
}

function late(text: string): VerdictError {
  return new VerdictError('TIMEOUT', text, { retryable: true, acted: 'unknown' });
}
