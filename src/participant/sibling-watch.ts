/**
 * Branches that siblings, each with a journal of its own, have prepared in the store they share.
 *
 * Most end by themselves in milliseconds: their instance lives, and hears the decision. What is
 * still there after the patience may be no one's any more (its process was killed, its journal
 * lost), and holds its locks until someone asks for its outcome: so this one does. Listed again and
 * again: an instance may end at any time, and its last PREPARE may be carried out after it has.
 *
 * Where the store keeps votes, what this instance itself has there is looked at as well: a server
 * that lost track of a branch may list it only after its own restart, when no one else knows of it.
 */
import { branchId } from '../core/names.ts';
import { thrownLine } from '../core/thrown.ts';
import type { Timer } from '../ports/clock.ts';
import type { HeldBranch } from '../ports/resource.ts';
import type { ParticipantContext } from './context.ts';
import { someOf } from './held.ts';

export interface SiblingWatchOptions extends ParticipantContext {
  /** This instance's own, too. */
  readonly own: boolean;
  readonly list: () => Promise<Iterable<HeldBranch>> | Iterable<HeldBranch>;
  /** It has been there for the whole patience. */
  readonly left: (branch: HeldBranch) => void;
}

/** A database that is down for long is told so often. */
const warnEveryMs = 60_000;
/** Past it the list is asked for anew: it may hang on a connection that is gone. */
const listTimeoutMs = 30_000;
/** Lists that may hang at once, so that they do not use up the store's connections. */
const maxListing = 2;

export class SiblingWatch {
  readonly #given: SiblingWatchOptions;
  /** What the last list had. */
  #seen: ReadonlySet<string> = new Set();
  #asked = 0;
  /** The list that `#seen` is of. */
  #used = 0;
  #timer: Timer | null = null;
  #closed = false;
  /** Lists that have not returned. */
  #listing = 0;
  #warnAtMs = 0;

  constructor(given: SiblingWatchOptions) {
    this.#given = given;
  }

  /** `held`: the first list. */
  start(held: readonly HeldBranch[]): void {
    const others = held.filter(isOther);
    this.#seen = new Set(held.map(branchId));
    const { participant, logger, options } = this.#given;
    if (others.length > 0) {
      logger.warn(
        { participant, count: others.length, branches: someOf(others) },
        `other processes of this participant have branches prepared in the same store. They are left alone; what is still there after ${options.patienceMs} ms is asked about, and ended as it was decided`,
      );
    }
    this.#later();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #later(): void {
    if (this.#closed) return;
    const { clock, options } = this.#given;
    // What was there as the pause began: a late list may replace what was seen meanwhile.
    const seen = this.#seen;
    this.#timer = clock.setTimer(options.patienceMs, () => void this.#look(seen));
  }

  async #look(seen: ReadonlySet<string>): Promise<void> {
    try {
      await this.#list(seen);
    } catch (error) {
      this.#notListed(error);
    }
    this.#later();
  }

  async #list(seen: ReadonlySet<string>): Promise<void> {
    const { list, clock } = this.#given;
    if (this.#listing >= maxListing) throw new Error(`${maxListing} lists have not returned.`);
    this.#listing += 1;
    this.#asked += 1;
    const number = this.#asked;
    const listed = (async () => list())()
      .finally(() => {
        this.#listing -= 1;
      })
      .then((held) => this.#listed(held, seen, number));
    const timeout = Promise.withResolvers<never>();
    const late = new Error(`The list has not returned within ${listTimeoutMs} ms.`);
    this.#timer = clock.setTimer(listTimeoutMs, () => timeout.reject(late));
    return Promise.race([listed, timeout.promise]).finally(() => this.#timer?.cancel());
  }

  /** Also late, unless a later one was quicker: a store may always take long. */
  #listed(all: Iterable<HeldBranch>, seen: ReadonlySet<string>, number: number): void {
    if (this.#closed || number < this.#used) return;
    const { left, own } = this.#given;
    const held = [...all].filter((branch) => own || isOther(branch));
    this.#used = number;
    this.#seen = new Set(held.map(branchId));
    for (const branch of held) if (seen.has(branchId(branch))) left(branch);
  }

  #notListed(error: unknown): void {
    const { participant, logger, clock, options } = this.#given;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#warnAtMs) return;
    this.#warnAtMs = nowMs + warnEveryMs;
    logger.warn(
      { participant, error: thrownLine(error) },
      `what others have prepared could not be listed; tried again every ${options.patienceMs} ms, and logged once a minute while that lasts`,
    );
  }
}

function isOther({ mine }: HeldBranch): boolean {
  return mine === false;
}
