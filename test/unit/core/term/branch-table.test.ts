import { describe, expect, it } from 'vitest';
import { InvariantViolation } from '../../../../src/core/invariants.ts';
import type { BranchState } from '../../../../src/core/messages.ts';
import { type Branch, type BranchEvent, moveBranch } from '../../../../src/core/term/branch.ts';

const never = 'never';
const columns: Record<BranchEvent, true> = {
  prepare: true,
  unreachable: true,
  'voted-commit': true,
  'voted-readonly': true,
  'voted-abort': true,
  commit: true,
  'roll-back': true,
  settled: true,
};
const events = Object.keys(columns) as BranchEvent[];
type Next = BranchState | typeof never;

/** PROTOCOL.md, sections 1 and 7, written down a second time: one cell for each of `columns`. */
const expected: Record<BranchState, readonly Next[]> = {
  enlisted: ['preparing', 'unreachable', never, never, never, never, 'rolling-back', never],
  unreachable: ['preparing', never, never, never, never, never, 'rolling-back', never],
  preparing: [
    ...(['preparing', 'unreachable', 'prepared', 'readonly', 'refused'] as const),
    ...([never, 'rolling-back', never] as const),
  ],
  prepared: [never, never, never, never, never, 'committing', 'rolling-back', never],
  // Nothing is owed any more.
  readonly: [never, never, never, never, never, never, never, never],
  refused: [never, never, never, never, never, never, never, never],
  // I1, atomicity: the other decision does not exist from here on.
  committing: [never, never, never, never, never, never, never, 'committed'],
  'rolling-back': [never, never, never, never, never, never, never, 'rolled-back'],
  committed: [never, never, never, never, never, never, never, never],
  'rolled-back': [never, never, never, never, never, never, never, never],
};

const cells = Object.entries(expected).flatMap(([state, row]) =>
  events.map((event, index) => ({ state, event, next: row[index] ?? 'missing' })),
);

describe('the table of a branch', () => {
  it.each(cells)('$state, $event: $next', ({ state, event, next }) => {
    const branch = { transaction: { txid: 't' }, branch: 'b', state } as unknown as Branch;
    const step = (): void => moveBranch(branch, event);
    if (next === never) {
      expect(step).toThrow(InvariantViolation);
      expect(branch.state).toBe(state);
    } else {
      step();
      expect(branch.state).toBe(next);
    }
  });
});
