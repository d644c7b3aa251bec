/** What a leadership that is over had under way, for as long as no one leads its shard. */
import { expect, it } from 'vitest';
import type { TransactionState, TransactionStatus } from '../../../src/core/messages.ts';
import { LeftBehind } from '../../../src/node/left-behind.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

const seen = (at: number, state: TransactionState, attention = false): TransactionStatus => ({
  txid: txidOf(at),
  state,
  attention,
  branches: [],
  ageMs: 10,
});

function ended(...transactions: TransactionStatus[]): Parameters<LeftBehind['add']>[0] {
  const term = { list: () => ({ transactions, truncated: false }) };
  return { term, leader: { shard: 0 } } as never;
}

it('is listed, counted and found as it was, grows older, and goes when someone leads', async () => {
  const clock = new ManualClock();
  let led = false;
  const left = new LeftBehind(clock, () => led);
  left.add(ended(seen(1, 'READY'), seen(2, 'COMMITTING', true), seen(3, 'COMMITTED')));
  await clock.advance(5_000);
  expect(left.list({})).toEqual([
    { ...seen(1, 'READY'), ageMs: 5_010 },
    { ...seen(2, 'COMMITTING', true), ageMs: 5_010 },
  ]);
  expect(left.list({ state: 'READY' }).map(({ txid }) => txid)).toEqual([txidOf(1)]);
  expect(left.list({ attention: true }).map(({ txid }) => txid)).toEqual([txidOf(2)]);
  expect(left.find(txidOf(2))).toMatchObject({ state: 'COMMITTING' });
  expect(left.find(txidOf(3))).toBeNull();
  expect(left.counts(0)).toEqual({ states: { READY: 1, COMMITTING: 1 }, attention: 1 });
  expect(left.counts(1)).toEqual({});
  led = true;
  left.prune();
  led = false;
  expect([left.list({}), left.find(txidOf(1)), left.counts(0)]).toEqual([[], null, {}]);
});

it('of a leadership with nothing under way is nothing', () => {
  const left = new LeftBehind(new ManualClock(), () => false);
  left.add(ended(seen(1, 'ABORTED')));
  expect(left.counts(0)).toEqual({});
});
