/**
 * The numbered invariants of docs/PROTOCOL.md, section 2, as asserts. A broken one is a bug of this
 * program, never of its input: the process that finds it must not go on deciding.
 */

export const invariants = {
  I1: 'Atomicity: never one branch committed and another aborted.',
  I2: 'One decision for each transaction, forever.',
  I3: 'Commit only if the branch set was frozen before the first prepare and every vote is durable and commit or readonly.',
  I4: 'A participant that voted commit neither forgets nor decides alone.',
  I5: 'Absence of a record means abort only when commit can no longer be written.',
  I6: 'Every write of a leader compares its epoch in the same atomic step.',
  I7: 'A participant rejects a prepare of an older epoch, and one that arrives after its own rollback or forget.',
  I8: 'One commit for each request id within the window; "aborted", once said for an attempt, is final for it.',
  I9: 'A commit record goes only when every participant acknowledged and the retention passed.',
  I12: 'No lock is granted while another holds it in an incompatible mode; a committed transaction holds its own until every branch has acknowledged.',
} as const;

export type InvariantName = keyof typeof invariants;

export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
  readonly invariant: InvariantName;

  constructor(invariant: InvariantName, detail: string) {
    super(`${invariant} broken: ${invariants[invariant]} ${detail}`);
    this.invariant = invariant;
  }
}

export function uphold(
  condition: boolean,
  invariant: InvariantName,
  detail: () => string,
): asserts condition {
  if (!condition) throw new InvariantViolation(invariant, detail());
}
