import { describe, expect, it } from 'vitest';
import { InvariantViolation } from '../../../src/core/invariants.ts';
import type { TransactionState } from '../../../src/core/messages.ts';
import {
  move,
  outcomeOf,
  type Transaction,
  type TransactionEvent,
} from '../../../src/core/transaction.ts';

const never = 'never';

/** PROTOCOL.md, section 1, written down a second time. */
const expected: Record<
  TransactionState,
  Record<TransactionEvent, TransactionState | typeof never>
> = {
  PENDING: {
    freeze: 'PREPARING',
    'all-voted': never,
    abort: 'ABORTING',
    recorded: never,
    denied: never,
    settled: never,
  },
  PREPARING: {
    freeze: never,
    'all-voted': 'READY',
    abort: 'ABORTING',
    recorded: never,
    denied: never,
    settled: never,
  },
  // Only the log's answer ends it.
  READY: {
    freeze: never,
    'all-voted': never,
    abort: never,
    recorded: 'COMMITTING',
    denied: 'ABORTING',
    settled: never,
  },
  COMMITTING: {
    freeze: never,
    'all-voted': never,
    abort: never,
    recorded: never,
    denied: never,
    settled: 'COMMITTED',
  },
  COMMITTED: {
    freeze: never,
    'all-voted': never,
    abort: never,
    recorded: never,
    denied: never,
    settled: never,
  },
  ABORTING: {
    freeze: never,
    'all-voted': never,
    abort: never,
    recorded: never,
    denied: never,
    settled: 'ABORTED',
  },
  ABORTED: {
    freeze: never,
    'all-voted': never,
    abort: never,
    recorded: never,
    denied: never,
    settled: never,
  },
};

const outcomes: Record<TransactionState, 'committed' | 'aborted' | null> = {
  PENDING: null,
  PREPARING: null,
  READY: null,
  COMMITTING: 'committed',
  COMMITTED: 'committed',
  ABORTING: 'aborted',
  ABORTED: 'aborted',
};

const cells = Object.entries(expected).flatMap(([state, row]) =>
  Object.entries(row).map(([event, next]) => ({ state, event, next })),
);

describe('the table of a transaction', () => {
  it.each(cells)('$state, $event: $next', ({ state, event, next }) => {
    const transaction = { txid: 't', state } as unknown as Transaction;
    const step = (): void => move(transaction, event as TransactionEvent);
    if (next === never) {
      expect(step).toThrow(InvariantViolation);
      expect(transaction.state).toBe(state);
    } else {
      step();
      expect(transaction.state).toBe(next);
    }
  });

  it.each(Object.entries(outcomes))('%s has the outcome %s', (state, outcome) => {
    expect(outcomeOf(state as TransactionState)).toBe(outcome);
  });
});
