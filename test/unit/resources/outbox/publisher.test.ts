/** Publication over a store that refuses to take messages off the queue. */
import { expect, it, onTestFinished } from 'vitest';
import { makeEpoch } from '../../../../src/core/txid.ts';
import { silentLogger } from '../../../../src/ports/logger.ts';
import { BranchStore } from '../../../../src/resources/branch-store.ts';
import { Publisher } from '../../../../src/resources/outbox/publisher.ts';
import {
  countOf,
  enqueue,
  outboxContents,
  outboxFile,
  outboxHeader,
  type PreparedMessages,
} from '../../../../src/resources/outbox/queue.ts';
import { temporaryDirectory, txidAt } from '../../../support/logs/stores.ts';
import { ManualClock, settle } from '../../../support/samples/manual-clock.ts';
import { seededRandom } from '../../../support/samples/seeded-random.ts';

it('a removal that is refused is tried again, and no more is published than a crash may repeat', async () => {
  const directory = temporaryDirectory();
  onTestFinished(() => directory.remove());
  const clock = new ManualClock();
  const disk = await BranchStore.open<PreparedMessages>({
    dataDirectory: directory.path,
    clock,
    file: outboxFile,
    header: outboxHeader,
    contents: outboxContents,
    apply: enqueue,
  });
  onTestFinished(() => disk.close());
  const branch = { txid: txidAt(makeEpoch({ generation: 0, revision: 1n }), 1), branch: 'mail' };
  const call = { ...branch, instance: 'one' };
  await disk.prepare(call, { bodies: ['a', 'b', 'c', 'd'] });
  await disk.commit(call);
  const published: unknown[] = [];
  const run = disk.run.bind(disk);
  let isFull = true;
  disk.run = (change) => (isFull ? Promise.reject(new Error('The store is full.')) : run(change));
  const errors: object[] = [];
  const publisher = new Publisher({
    publish: ({ body }) => void published.push(body),
    disk,
    clock,
    random: seededRandom(),
    logger: { ...silentLogger, error: (fields: object) => void errors.push(fields) },
    retryDelayMs: 100,
    maxRetryDelayMs: 400,
  });
  publisher.wake();
  await settle();
  await clock.advance(1_000);
  expect(published).toEqual(['a', 'b']);
  expect(errors).toContainEqual({ attempt: 3, error: 'Error: The store is full.' });
  isFull = false;
  await clock.advance(400);
  await publisher.idle();
  expect(published).toEqual(['a', 'b', 'c', 'd']);
  expect(disk.snapshot(countOf)).toBe(0);
  await publisher.close();
});
