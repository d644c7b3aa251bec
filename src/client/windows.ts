/**
 * How many one-shots over the same participants are sent at a time, once there were too many.
 *
 * Past the capacity of a participant the leader refuses with BUSY. A refusal costs both sides
 * nearly as much as a branch: if all that comes were sent, and sent again, less would be left for
 * what commits. So nothing is held back until the first BUSY. It cuts the number in flight, each
 * commit lets that grow again, as TCP does, and the rest wait here in the order of their calls.
 *
 * It grows the faster the farther it is from where it was cut, below and above, as CUBIC has it: in
 * a few round trips it is nearly there again, tries for a few what is just above, and then looks
 * for where the bound is now. One more each round trip is too slow where a round trip takes a
 * second: a cut that came of an outage would be felt for minutes.
 *
 * A burst drains, so a call may wait here until half of its time is over. A long queue that stands
 * does not: what comes then waits as long as all before it and is late as well. So it is refused at
 * once where that would take longer than `mayWaitMs`. (`retry` asks for patience.)
 *
 * That is short while much more comes than is answered: whatever is let in then makes all that
 * comes later as late, and is still to be done when the load is over. It is long where callers each
 * wait for their answer, as many as they are: no more comes than is answered.
 *
 * How long it would take is known by what was answered while each place in flight was taken several
 * times. Less tells nothing: participants that take a second each may answer all at once, and then
 * none for a second.
 */
import { Delays } from '../peer/delays.ts';
import { closedError, isVerdictError, VerdictError, withoutStack } from '../peer/verdict-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { Call } from './call.ts';

/** After a BUSY: this part of those in flight. */
const cut = 0.7;
/** Calls that wait hold their payloads. */
const maxWaiting = 100_000;
/** As the leader has it. */
const retryMs = { least: 100, most: 5_000 } as const;
/** Answers come by the batch: they are counted for so long at least, and so many for each place. */
const period = { leastMs: 250, turns: 2 } as const;
/** Who was answered with one of these met an outage: how long it took says nothing of the pace. */
const outages: ReadonlySet<string> = new Set(['CONNECTION_LOST', 'NOT_LEADER', 'LOG_UNAVAILABLE']);
/** A queue stands that was not empty for so long. */
const standingMs = 1_000;
/** So many may wait in it anyhow, as many as find room in the leader's; how long others may. */
const standing = { calls: 1_024, mayWaitMs: 2_000 } as const;
/** In one that grows besides. */
const growing = { calls: 512, mayWaitMs: 300 } as const;
/** For so long, so many times as much has come as was answered. */
const growth = { forMs: 750, times: 1.25 } as const;

interface Window {
  readonly key: string;
  inFlight: number;
  limit: number;
  /** So many were in flight when it was cut last. */
  cutAt: number;
  /** Grows with each cut, which is for all that were sent before it. */
  generation: number;
  /** Each is told of its turn, or why it gets none. */
  readonly waiting: Set<(error?: VerdictError) => void>;
  /** Since when someone waits. */
  sinceMs: number;
  /** When the period began, with an answer; null before the first. Since then: */
  periodMs: number | null;
  came: number;
  answers: number;
  /** For how long, by periods without a break, more has come than was answered. */
  grewMs: number;
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
    this.#late = new Delays(clock, 'others', (tell) => tell());
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

  /** On the way, and not sent yet. */
  counts(): { readonly sent: number; readonly waiting: number } {
    let sent = 0;
    let waiting = 0;
    for (const window of this.#windows.values()) {
      sent += window.inFlight;
      waiting += window.waiting.size;
    }
    return { sent, waiting };
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
        cutAt: Number.POSITIVE_INFINITY,
        generation: 0,
        waiting: new Set(),
        sinceMs: 0,
        periodMs: null,
        came: 0,
        answers: 0,
        grewMs: 0,
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
    const code = isVerdictError(error) ? error.code : null;
    window.inFlight -= 1;
    if (code === 'BUSY' && generation === window.generation) {
      window.cutAt = inFlight;
      window.limit = Math.max(1, Math.floor(inFlight * cut));
      window.generation += 1;
    } else if (error === null && window.waiting.size > 0) {
      // Not before the cut is carried out.
      if (inFlight <= window.limit) window.limit += growthOf(window);
      this.#count(window);
    } else if (code !== null && outages.has(code)) window.periodMs = null;
    this.#next(window);
    if (window.inFlight === 0) this.#windows.delete(window.key);
  }

  async #turn(window: Window, who: Waiting): Promise<void> {
    const { waiting } = window;
    const { call } = who;
    if (waiting.size === 0) {
      window.sinceMs = this.#clock.monotonicMs();
      window.periodMs = null;
      window.perMs = [0, 0];
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
    const nowMs = this.#clock.monotonicMs();
    if (window.periodMs !== null) {
      window.answers += 1;
      const tookMs = nowMs - window.periodMs;
      const { came, answers, grewMs, perMs } = window;
      if (tookMs < period.leastMs || answers < period.turns * window.limit) return;
      window.perMs = [perMs[1], answers / tookMs];
      window.grewMs = came > growth.times * answers ? grewMs + tookMs : 0;
    }
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

/** By one answer. In a round trip: as far as it is from where it was cut. */
function growthOf({ limit, cutAt }: Window): number {
  return Math.max(1, Math.abs(cutAt - limit)) / limit;
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
  const { waiting, grewMs, sinceMs } = window;
  const before = waiting.size + 1;
  const waitMs = waitMsOf(window);
  const { calls, mayWaitMs } = grewMs >= growth.forMs ? growing : standing;
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
    const retryAfterMs = Math.min(retryMs.most, Math.max(retryMs.least, Math.ceil(waitMs)));
    super('BUSY', text, { retryable: true, acted: 'nothing', retryAfterMs });
  }
}
