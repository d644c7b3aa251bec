/**
 * How many one-shots over the same participants are sent at a time, once there were too many.
 *
 * Past the capacity of a participant the leader refuses with BUSY. A refusal costs both sides
 * nearly as much as a branch: if all that comes were sent, and sent again, less would be left for
 * what commits. So nothing is held back until the first BUSY. It cuts the number in flight, each
 * commit lets that grow again, as TCP does, and the rest wait here in the order of their calls.
 *
 * A burst drains, so a call may wait here until half of its time is over. A long queue that stands
 * does not: what comes then waits as long as all before it and is late as well. So it is refused at
 * once where that would take longer than `mayWaitMs`. (`retry` asks for patience.)
 *
 * That is short while much more comes than is answered: whatever is let in then makes all that
 * comes later as late, and is still to be done when the load is over. It is long where callers each
 * wait for their answer, as many as they are: no more comes than is answered.
 */
import { Delays } from '../peer/delays.ts';
import { closedError, isVerdictError, VerdictError, withoutStack } from '../peer/verdict-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Call } from './call.ts';

/** After a BUSY: this part of those in flight. */
const cut = 0.7;
/** Calls that wait hold their payloads. */
const maxWaiting = 100_000;
const leastRetryMs = 100;
/** Answers come by the batch: they are counted over so long. */
const periodMs = 250;
/** A queue stands that was not empty for so long. */
const standingMs = 1_000;
/** So many may wait in it anyhow, as many as find room in the leader's; how long others may. */
const standing = { calls: 1_024, mayWaitMs: 2_000 } as const;
/** In one that grows besides. */
const growing = { calls: 512, mayWaitMs: 300 } as const;
/** For so many periods, so many times as much has come as was answered. */
const growth = { periods: 4, times: 1.25 } as const;

interface Window {
  readonly key: string;
  inFlight: number;
  limit: number;
  /** Grows with each cut, which is for all that were sent before it. */
  generation: number;
  /** Each is told of its turn, or why it gets none. */
  readonly waiting: Set<(error?: VerdictError) => void>;
  /** Since when someone waits. */
  sinceMs: number;
  /** When the period began, and since then: */
  periodMs: number;
  came: number;
  answers: number;
  /** Periods without a break in which more came than is answered. */
  grew: number;
  /** Answers in a millisecond, in the two periods before this one; 0 while that is not known. */
  perMs: readonly [number, number];
}

/** A call and what it sends. */
export interface Waiting {
  readonly branches: readonly { readonly participant: string }[];
  readonly call: Call;
  /** It rather waits than fails. */
  readonly patient: boolean;
}

interface Place {
  readonly window: Window;
  readonly generation: number;
}

export class Windows {
  readonly #clock: Clock;
  /** By the participants. One with nothing in flight is forgotten. */
  readonly #windows = new Map<string, Window>();
  /** Thousands of calls wait, and nearly all get their turn: no timer of the clock for each. */
  readonly #late: Delays<() => void>;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#late = new Delays(clock, (tell) => tell());
  }

  /** Where the call would be refused now: looked at before all else, for then it costs least. */
  refusal(who: Waiting): TooManyWait | null {
    const window = this.#windows.get(keyOf(who));
    if (window === undefined || window.waiting.size === 0) return null;
    // Each call once, however often it is sent; and none that only itself makes too late.
    if (waitMsOf(window) <= mayWaitMsOf(who.call)) window.came += 1;
    return refusalOf(window, who, this.#clock.monotonicMs());
  }

  /** Sends when the call may. Throws TooManyWait. */
  async inTurn<Reply>(waiting: Waiting, send: () => Promise<Reply>): Promise<Reply> {
    const place = await this.#enter(waiting);
    try {
      const reply = await send();
      this.#leave(place, null);
      return reply;
    } catch (error) {
      this.#leave(place, error);
      throw error;
    }
  }

  close(): void {
    for (const { waiting } of this.#windows.values()) {
      for (const begin of waiting) begin(closedError('client'));
    }
  }

  async #enter(who: Waiting): Promise<Place> {
    const key = keyOf(who);
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = {
        key,
        inFlight: 0,
        limit: Number.POSITIVE_INFINITY,
        generation: 0,
        waiting: new Set(),
        sinceMs: 0,
        periodMs: 0,
        came: 0,
        answers: 0,
        grew: 0,
        perMs: [0, 0],
      };
      this.#windows.set(key, window);
    }
    if (window.inFlight + 1 <= window.limit && window.waiting.size === 0) window.inFlight += 1;
    else await this.#turn(window, who);
    return { window, generation: window.generation };
  }

  #leave({ window, generation }: Place, error: unknown): void {
    const { inFlight } = window;
    const isBusy = isVerdictError(error) && error.code === 'BUSY';
    window.inFlight -= 1;
    if (isBusy && generation === window.generation) {
      window.limit = Math.max(1, Math.floor(inFlight * cut));
      window.generation += 1;
    } else if (error === null && window.waiting.size > 0) {
      window.limit += 1 / window.limit;
      this.#count(window);
    }
    this.#next(window);
    if (window.inFlight === 0) this.#windows.delete(window.key);
  }

  async #turn(window: Window, who: Waiting): Promise<void> {
    const { waiting } = window;
    const { call } = who;
    if (waiting.size === 0) {
      const nowMs = this.#clock.monotonicMs();
      window.sinceMs = nowMs;
      window.periodMs = nowMs;
      window.came = 0;
      window.answers = 0;
      window.grew = 0;
    }
    const refused = refusalOf(window, who, this.#clock.monotonicMs());
    if (refused !== null) throw refused;
    const before = waiting.size + 1;
    const afterMs = mayWaitMsOf(call);
    await call.hold(
      (done) => {
        waiting.add(done);
        const late = this.#late.start(afterMs, () => done(tooManyWait(before, afterMs)));
        return () => {
          this.#late.stop(late);
          waiting.delete(done);
        };
      },
      { timed: false },
    );
  }

  /** A stall is one period, however long: the one before it counts, then the one after. */
  #count(window: Window): void {
    window.answers += 1;
    const nowMs = this.#clock.monotonicMs();
    const tookMs = nowMs - window.periodMs;
    if (tookMs < periodMs) return;
    window.perMs = [window.perMs[1], window.answers / tookMs];
    window.grew = window.came > growth.times * window.answers ? window.grew + 1 : 0;
    window.periodMs = nowMs;
    window.came = 0;
    window.answers = 0;
  }

  #next(window: Window): void {
    for (const begin of window.waiting) {
      if (window.inFlight + 1 > window.limit) return;
      window.inFlight += 1;
      begin();
    }
  }
}

function keyOf({ branches }: Pick<Waiting, 'branches'>): string {
  return branches.map(({ participant }) => participant).join(' ');
}

/** Until half of its time is over: what is sent later would hardly be in time. */
function mayWaitMsOf(call: Call): number {
  return call.leftMs() - call.timeoutMs / 2;
}

/** Of one more. */
function waitMsOf({ waiting, perMs: [before, last] }: Window): number {
  const perMs = Math.max(before, last);
  return perMs === 0 ? 0 : (waiting.size + 1) / perMs;
}

function refusalOf(window: Window, { call, patient }: Waiting, nowMs: number): TooManyWait | null {
  const { waiting, grew, sinceMs } = window;
  const before = waiting.size + 1;
  const waitMs = waitMsOf(window);
  const { calls, mayWaitMs } = grew >= growth.periods ? growing : standing;
  const isLong = !patient && before > calls && waitMs > mayWaitMs && nowMs - sinceMs > standingMs;
  const refused = before > maxWaiting || waitMs > mayWaitMsOf(call) || isLong;
  return refused ? tooManyWait(before, waitMs) : null;
}

function tooManyWait(before: number, waitMs: number): TooManyWait {
  return withoutStack(() => new TooManyWait(before, waitMs));
}

/** It is for the caller: waiting longer is what it is against. */
export class TooManyWait extends VerdictError {
  constructor(before: number, waitMs: number) {
    const text = `The participants cannot keep up: with ${before} calls of this client before it, this one would be late. Nothing was sent.`;
    const retryAfterMs = Math.max(leastRetryMs, Math.ceil(waitMs));
    super('BUSY', text, { retryable: true, acted: 'nothing', retryAfterMs });
  }
}
