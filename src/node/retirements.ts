/**
 * What operators have retired: refused at this node from the moment it is heard of, and told to the
 * terms that may count on it.
 */
import type { ShardDriver } from '../coordinator/shard-driver.ts';
import { concerns, type Retired, RetiredSet } from '../core/retired.ts';
import type { Audit } from '../ports/audit.ts';
import type { DecisionLog, ShardRange } from '../ports/decision-log.ts';
import { retiredText } from './admission.ts';
import type { NodeLines } from './node-lines.ts';
import type { ParticipantSessions } from './participants.ts';
import type { Session } from './session.ts';

export interface RetirementsOptions {
  readonly log: Pick<DecisionLog, 'retired'>;
  readonly audit?: Audit | undefined;
  readonly lines: NodeLines;
  readonly participants: ParticipantSessions;
  readonly drivers: () => ReadonlyMap<number, ShardDriver>;
  /** What this node lets in no more: `Admission` asks it. */
  readonly refused: RetiredSet;
  /** What was retired before this start is nothing new. */
  readonly isNews: () => boolean;
}

export class Retirements {
  readonly #given: RetirementsOptions;
  /** What a leadership of the shard, the next one or the one that stands, may count on. */
  readonly #at = new Map<number, RetiredSet>();

  constructor(given: RetirementsOptions) {
    this.#given = given;
  }

  /** What a leadership of the shard is to know before it reads the log. */
  at(shard: number): readonly Retired[] {
    return this.#at.get(shard)?.all() ?? [];
  }

  /**
   * What others have retired. Before a leadership answers anyone (!): the leaderships before it
   * counted on all that is there, and what they collected because of it is gone. `watchRetired`
   * hears of what comes later, and no leadership counts on it sooner.
   */
  async learn(shard?: number): Promise<void> {
    const known = new RetiredSet();
    // Before the reading: what comes beside it is not missed.
    if (shard !== undefined) this.#at.set(shard, known);
    for (const retired of await this.#given.log.retired(shard)) {
      known.add(retired);
      this.#refuseFromNowOn(retired);
    }
  }

  /** Only leaderships of these shards count on it: elsewhere it may not be in the log yet. */
  hear(retired: Retired, shards: ShardRange | undefined): void {
    this.#refuseFromNowOn(retired);
    for (const [shard, known] of this.#at) {
      if (!isIn(shards, shard) || !known.add(retired)) continue;
      this.#given.drivers().get(shard)?.step({ type: 'retired', retired });
    }
  }

  #refuseFromNowOn(retired: Retired): void {
    const { refused, participants, lines, audit, isNews } = this.#given;
    if (!refused.add(retired)) return;
    for (const session of [...participants.all()]) {
      if (session.member !== null && concerns(retired, session.member)) refuseRetired(session);
    }
    const text = 'A participant was retired.';
    lines.write('info', text, retired, text);
    if (isNews()) audit?.write({ event: 'retired', ...retired });
  }
}

export function refuseRetired(session: Session): void {
  const { member } = session;
  if (member === null) return;
  session.refuse('FORBIDDEN', retiredText(member.participant, member.instance));
}

function isIn(shards: ShardRange | undefined, shard: number): boolean {
  return shards === undefined || (shards.first <= shard && shard <= shards.last);
}
