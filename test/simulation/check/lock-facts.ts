/**
 * I12 by what went over the wire and onto disks: of two committed transactions with incompatible
 * locks, the later one's first prepare was sent only when each branch of the earlier one was
 * committed on its participant's disk. Whoever granted it, and whatever was remembered in between.
 */
import type { DecisionRecord, RecordedLocks } from '../../../src/core/records.ts';
import { compatible } from './compatible.ts';
import type { Facts } from './facts.ts';

interface Holder {
  readonly record: DecisionRecord;
  readonly locks: RecordedLocks;
}

export class LockFacts {
  readonly #facts: Facts;
  readonly #committed: Holder[] = [];
  /** Pairs that had to wait for each other. */
  pairs = 0;

  constructor(facts: Facts) {
    this.#facts = facts;
  }

  committed(record: DecisionRecord): void {
    const { locks, txid } = record;
    if (locks === undefined) return;
    const facts = this.#facts;
    const begunAt = facts.at(txid).firstAskedAt;
    for (const earlier of this.#committed) {
      const key = contested(earlier.locks, locks);
      if (key === null) continue;
      this.pairs += 1;
      for (const { participant, branch } of earlier.record.branches) {
        if (facts.gaveUp(earlier.record.txid, branch)) continue;
        if (facts.byHand.has(`${earlier.record.txid}/${branch}`)) continue;
        const { committedAt } = facts.branch(earlier.record.txid, participant, branch);
        facts.checkOf(
          earlier.record.txid,
          committedAt !== null && begunAt !== null && committedAt < begunAt,
          'I12',
          `${txid} ran with the lock ${key} before ${participant}/${branch} had committed ${earlier.record.txid}`,
        );
      }
    }
    this.#committed.push({ record, locks });
  }
}

/** A key that the two may not hold together, or null. */
function contested(one: RecordedLocks, other: RecordedLocks): string | null {
  if (one.group !== other.group) return null;
  for (const mode of ['exclusive', 'shared'] as const) {
    for (const its of ['exclusive', 'shared'] as const) {
      if (compatible(mode, its)) continue;
      const key = one[mode].find((name) => other[its].includes(name));
      if (key !== undefined) return key;
    }
  }
  return null;
}
