/**
 * Warns of a statement that waits for a branch that this participant has prepared. A migration or
 * seed on its own connection waits for its service: forever, if it is before `serveParticipant`.
 *
 *     a branch is prepared, or may be -> a second of quiet -> every 0.5 s the database: who waits?
 *     what waits for a second is logged with the branch, each branch once a minute at most
 *
 * Branches mostly live for milliseconds, so nothing is asked under load either. Verdict's own
 * sessions are left out: their waits have a limit, and their votes say so.
 */
import { branchId } from '../../core/names.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { BranchRef } from '../../ports/resource.ts';
import { shortened } from './guarded-sql.ts';

export interface WaitingStatement {
  /** Of the session and what it is at: the same as long as it waits for the same. */
  readonly id: string;
  readonly statement: string;
  /** False: it may just take long. */
  readonly sure: boolean;
  /** What it waits for; where the database does not tell that apart, what it may wait for. */
  readonly branches: readonly BranchRef[];
}

export interface Waits {
  /** All that the participant has prepared, by whichever process. */
  readonly prepared: readonly BranchRef[];
  readonly waiting: readonly WaitingStatement[];
}

export interface LockWatchOptions {
  readonly participant: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly look: () => Promise<Waits>;
}

const quietMs = 1_000;
const lookEveryMs = 500;
/** Where the database could not be asked, which others tell. */
const lookAgainMs = 5_000;
const warnEveryMs = 60_000;
const maxNamed = 10;

export class LockWatch {
  readonly #options: LockWatchOptions;
  /** In the order in which they were prepared, and since when that is known. */
  readonly #prepared = new Map<string, number>();
  readonly #warnedAtMs = new Map<string, number>();
  /** By the statement's id: when it was first seen to wait. */
  #seenAtMs: ReadonlyMap<string, number> = new Map();
  #timer: Timer | null = null;
  /** Not asked yet: the process before may have left something. */
  #unknown = true;
  #looking = false;
  #closed = false;

  constructor(options: LockWatchOptions) {
    this.#options = options;
    this.#later(lookEveryMs);
  }

  /** Or may be. */
  prepared(branch: BranchRef): void {
    const key = branchId(branch);
    if (!this.#prepared.has(key)) this.#prepared.set(key, this.#options.clock.monotonicMs());
    if (this.#timer === null && !this.#looking) this.#later(quietMs);
  }

  ended(branch: BranchRef): void {
    const key = branchId(branch);
    this.#prepared.delete(key);
    this.#warnedAtMs.delete(key);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #later(delayMs: number): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.setTimer(delayMs, () => void this.#due());
  }

  async #due(): Promise<void> {
    this.#timer = null;
    const { clock } = this.#options;
    if (!this.#unknown) {
      const [oldestMs] = this.#prepared.values();
      if (oldestMs === undefined) return;
      const youngMs = oldestMs + quietMs - clock.monotonicMs();
      if (youngMs > 0) return this.#later(youngMs);
    }
    this.#looking = true;
    let nextMs = lookEveryMs;
    try {
      const askedAtMs = clock.monotonicMs();
      const waits = await this.#options.look();
      this.#unknown = false;
      this.#take(waits, askedAtMs);
    } catch {
      nextMs = lookAgainMs;
    }
    this.#looking = false;
    if (this.#unknown || this.#prepared.size > 0) this.#later(nextMs);
  }

  #take({ prepared, waiting }: Waits, askedAtMs: number): void {
    const still = new Set(prepared.map(branchId));
    for (const [key, sinceMs] of this.#prepared) {
      if (sinceMs >= askedAtMs || still.has(key)) continue;
      this.#prepared.delete(key);
      this.#warnedAtMs.delete(key);
    }
    for (const key of still) if (!this.#prepared.has(key)) this.#prepared.set(key, askedAtMs);
    const seenAtMs = new Map<string, number>();
    for (const { id } of waiting) seenAtMs.set(id, this.#seenAtMs.get(id) ?? askedAtMs);
    this.#seenAtMs = seenAtMs;
    this.#warn(waiting, askedAtMs);
  }

  /** One line a look, whatever waits: for what waits longest. */
  #warn(waiting: readonly WaitingStatement[], nowMs: number): void {
    const waitedMs = ({ id }: WaitingStatement): number =>
      nowMs - (this.#seenAtMs.get(id) ?? nowMs);
    const isNews = ({ branches }: WaitingStatement): boolean =>
      branches.some(
        (branch) =>
          nowMs >=
          (this.#warnedAtMs.get(branchId(branch)) ?? Number.NEGATIVE_INFINITY) + warnEveryMs,
      );
    const late = waiting.filter((each) => waitedMs(each) >= quietMs);
    const [longest] = late.filter(isNews).toSorted((a, b) => waitedMs(b) - waitedMs(a));
    if (longest === undefined) return;
    for (const branch of longest.branches) this.#warnedAtMs.set(branchId(branch), nowMs);
    const { participant, logger } = this.#options;
    const named = longest.branches.slice(0, maxNamed);
    logger.warn(
      {
        participant,
        statement: shortened(longest.statement),
        waitedMs: Math.round(waitedMs(longest)),
        branches: named.map(({ txid, branch }) => ({ txid, branch })),
        ...(named.length < longest.branches.length ? { branchCount: longest.branches.length } : {}),
        ...(late.length > 1 ? { waitingCount: late.length } : {}),
      },
      `a statement ${longest.sure ? 'waits' : 'may be waiting'} for ${longest.branches.length === 1 ? 'a branch' : 'one of the branches'} that this participant has prepared: it goes on when the outcome is carried out, for which the participant must be served and connected. A migration or a seed that is awaited before serveParticipant waits forever: run it in "ready" (docs/DATABASES.md, "Migrations"). "npx verdict tx show TXID" says what was decided`,
    );
  }
}
