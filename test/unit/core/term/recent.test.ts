import { expect, it } from 'vitest';
import {
  type EndedTransaction,
  RecentTransactions,
} from '../../../../src/core/term/listing/recent.ts';
import { makeEpoch, positionOf, type Txid } from '../../../../src/core/txid.ts';
import { makeTxid } from '../../../support/core/txids.ts';

const epoch = makeEpoch({ generation: 1, revision: 4n });
const txidOf = (sequence: number): Txid =>
  makeTxid({ shard: 0, epoch, sequence, random: '0000000000000' });

function ended(sequence: number, more: Partial<EndedTransaction> = {}): EndedTransaction {
  const status = { txid: txidOf(sequence), state: 'ABORTED', attention: false, branches: [] };
  return {
    status,
    startedAtMs: 0,
    readonly: false,
    owner: null,
    times: null,
    ...more,
  } as EndedTransaction;
}

const kept = (recent: RecentTransactions): Txid[] =>
  recent.newestFirst().map(({ status }) => status.txid);

it.each([0, 1, 3])('of more than %i the newest are remembered', (max) => {
  const recent = new RecentTransactions(max);
  for (let sequence = 1; sequence <= 10; sequence += 1) {
    recent.add(ended(sequence));
    const newest = Array.from({ length: Math.min(max, sequence) }, (_, i) => txidOf(sequence - i));
    expect(kept(recent)).toEqual(newest);
  }
});

it('one that ends again keeps its place, and is forgotten once', () => {
  const recent = new RecentTransactions(2);
  for (const sequence of [1, 2, 1]) recent.add(ended(sequence));
  expect(kept(recent)).toEqual([txidOf(2), txidOf(1)]);
  recent.add(ended(3));
  expect(kept(recent)).toEqual([txidOf(3), txidOf(2)]);
  recent.add(ended(4));
  expect(kept(recent)).toEqual([txidOf(4), txidOf(3)]);
});

it.each([0, 1])('with room for %i, it knows that a read-only commit was forgotten', (max) => {
  const recent = new RecentTransactions(max);
  recent.add(ended(1, { readonly: true }));
  for (let sequence = 2; sequence <= 3; sequence += 1) recent.add(ended(sequence));
  expect(recent.mayHaveHeldUnrecorded(positionOf(txidOf(1)))).toBe(true);
  expect(recent.mayHaveHeldUnrecorded(positionOf(txidOf(2)))).toBe(false);
});

it('the times of many branches count for its bytes, and the oldest lose theirs first', () => {
  const many = Array.from({ length: 1_000 }, () => 1);
  const recent = new RecentTransactions(10, 2 * (8 * many.length + 100));
  for (const sequence of [1, 2, 3]) recent.add(ended(sequence, { times: many }));
  recent.add(ended(4, { times: [1, 2] }));
  const times = [1, 2, 3, 4].map((sequence) => recent.get(txidOf(sequence))?.times);
  expect(times).toEqual([null, many, many, [1, 2]]);
});
