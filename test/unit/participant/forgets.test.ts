/** What a participant is told to forget is written when the journal comes to it. */
import { expect, it } from 'vitest';
import type { Txid } from '../../../src/core/txid.ts';
import { Forgets } from '../../../src/participant/forgets.ts';
import { UnderWay } from '../../../src/participant/under-way.ts';
import type { Journal } from '../../../src/ports/journal.ts';

const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a' as Txid;

function forgetting() {
  const failures: unknown[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const told: Txid[] = [];
  const journal = {
    forget: (txids: readonly Txid[]) => {
      told.push(...txids);
      return promise;
    },
  } as Partial<Journal> as Journal;
  const underWay = new UnderWay((error) => failures.push(error));
  return { underWay, forgets: new Forgets(journal, underWay), told, failures, resolve, reject };
}

it('a close does not wait for it: it would for ever where timers stand still', async () => {
  const { underWay, forgets, told, resolve } = forgetting();
  forgets.add(txid);
  await Promise.resolve();
  expect(told).toEqual([txid]);
  await underWay.none();
  let isWritten = false;
  const written = forgets.written(txid).then(() => {
    isWritten = true;
  });
  await Promise.resolve();
  expect(isWritten).toBe(false);
  resolve();
  await written;
});

it('that it cannot be written is a failure until the close, and none after it', async () => {
  for (const isStopped of [false, true]) {
    const { underWay, forgets, failures, reject } = forgetting();
    forgets.add(txid);
    await Promise.resolve();
    underWay.stopped = isStopped;
    const error = new Error('full');
    reject(error);
    await forgets.written(txid);
    expect(failures).toEqual(isStopped ? [] : [error]);
  }
});
