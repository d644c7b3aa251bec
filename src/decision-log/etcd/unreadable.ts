/**
 * Finished records that this program cannot read: a newer version wrote them, or someone else.
 * No rule says what became of their transactions, so collection passes over them and never removes
 * one.
 *
 * A turn of collection is several pages. Behind such a record the next page goes on where the last
 * has ended: a page full of them would keep collection from all that follows.
 */
import type { LogFigures } from '../../core/log-figures.ts';
import { thrownLine } from '../../core/thrown.ts';
import type { Logger } from '../../ports/logger.ts';

export interface Unreadable {
  readonly key: Buffer;
  readonly error: unknown;
}

interface Seen {
  readonly count: number;
  readonly first: Unreadable | null;
  readonly last: Unreadable | null;
}

const none: Seen = { count: 0, first: null, last: null };

export class UnreadableRecords {
  readonly #shard: number;
  readonly #logger: Logger;
  readonly #figures: LogFigures;
  #from: Buffer | null = null;
  /** In this turn, as far as it has come. */
  #seen = none;
  /** In the turns that came past all that was known before. */
  #known = none;

  constructor(given: {
    readonly shard: number;
    readonly logger: Logger;
    readonly figures: LogFigures;
  }) {
    this.#shard = given.shard;
    this.#logger = given.logger;
    this.#figures = given.figures;
  }

  /** Where the next page begins; null: at the start. */
  get from(): Buffer | null {
    return this.#from;
  }

  /**
   * `next`: as `from`. Where there is no more, the turn is over. It may have ended early, at a
   * record that stays for now: what was known behind that is still there, for all one knows.
   */
  came(page: {
    readonly unreadable: readonly Unreadable[];
    readonly more: boolean;
    readonly next: Buffer | null;
    readonly end: Buffer | null;
  }): void {
    const { unreadable, more, next, end } = page;
    const { count, first, last } = this.#seen;
    this.#seen = {
      count: count + unreadable.length,
      first: first ?? unreadable[0] ?? null,
      last: unreadable.at(-1) ?? last,
    };
    this.#from = more ? next : null;
    if (more) return;
    const known = this.#known;
    const isPast = end === null || known.last === null || known.last.key.compare(end) < 0;
    this.#know(isPast ? this.#seen : larger(this.#seen, known));
    this.#seen = none;
  }

  /** With the leadership: whoever leads next sees for itself. */
  end(): void {
    this.#know(none);
  }

  get problem(): string | null {
    const { count, first } = this.#known;
    if (first === null) return null;
    return `${count} of the finished records of shard ${this.#shard} in etcd cannot be read, the first at ${JSON.stringify(first.key.toString())}. They stay there, the others are collected, and who asks for the outcome of such a transaction gets none. If a newer version of Verdict wrote them, upgrade this node; else find out who else writes below /verdict/. The log of this node has the error.`;
  }

  #know(seen: Seen): void {
    const more = seen.count > this.#known.count;
    this.#figures.unreadable += seen.count - this.#known.count;
    this.#known = seen;
    if (!more || this.problem === null) return;
    const fields = { event: 'unreadable-records', shard: this.#shard, count: seen.count };
    this.#logger.error({ ...fields, error: thrownLine(seen.first?.error) }, this.problem);
  }
}

/** `known` reaches further. */
function larger(seen: Seen, known: Seen): Seen {
  const { first, last } = known;
  return { count: Math.max(seen.count, known.count), first: seen.first ?? first, last };
}
