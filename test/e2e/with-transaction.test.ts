/** The transaction in force, on a node and participants in processes of their own. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Client, currentTransaction, withTransaction } from '../../src/client.ts';
import { Cluster } from '../support/nodes/cluster.ts';

let cluster: Cluster;
let client: Client;
beforeAll(async () => {
  cluster = await Cluster.started({ participants: ['a', 'b'] });
  client = await cluster.client();
});
afterAll(async () => {
  expect(cluster.node.alarms()).toEqual([]);
  await cluster.remove();
});

function applied(tag: string): number {
  return [...cluster.participants.values()]
    .flatMap((participant) => participant.state().held)
    .filter((held) => held.tag === tag)
    .reduce((sum, held) => sum + held.applied, 0);
}

/** Deep below, without a transaction as an argument. */
async function take(participant: string, tag: string): Promise<void> {
  await currentTransaction().enlist({ participant, payload: { tag } });
}

it('commits what parallel parts enlisted, once', async () => {
  const tag = randomUUID();
  const part = (name: string) => withTransaction(client, () => take(name, tag));
  const result = await withTransaction(client, () => Promise.all([part('a'), part('b')]));
  expect(result.outcome).toBe('committed');
  expect(await cluster.settled()).toEqual([]);
  expect(applied(tag)).toBe(2);
});

it('changes nothing where a part threw and its caller went on', async () => {
  const tag = randomUUID();
  const result = await withTransaction(client, async () => {
    await take('a', tag);
    await withTransaction(client, async () => {
      await take('b', tag);
      throw new Error('no');
    }).catch(() => undefined);
  });
  expect(result).toMatchObject({ outcome: 'aborted', reason: { code: 'ROLLED_BACK' } });
  expect(await cluster.settled()).toEqual([]);
  expect(applied(tag)).toBe(0);
});

it('is run again where a part lost the transaction to a lock, although its caller went on', async () => {
  const tag = randomUUID();
  const holder = await client.begin();
  await holder.lock(tag);
  const result = await withTransaction(client, { retryDelayMs: 10 }, async (_tx, { attempt }) => {
    if (attempt === 2) await holder.rollback();
    await withTransaction(client, () => currentTransaction().lock(tag, { waitMs: 0 })).catch(
      () => undefined,
    );
    if (attempt === 2) await take('a', tag);
  });
  expect(result).toMatchObject({ outcome: 'committed', attempts: 2 });
  expect(await cluster.settled()).toEqual([]);
  expect(applied(tag)).toBe(1);
});

it('leaves no lock for longer than its own time-out where its client is gone', async () => {
  const tag = randomUUID();
  const gone = await cluster.client();
  const held = Promise.withResolvers<void>();
  const cut = withTransaction(gone, { timeoutMs: 2_000 }, async () => {
    await currentTransaction().lock(tag);
    held.resolve();
    return new Promise<never>(() => undefined);
  });
  cut.catch(() => undefined);
  await held.promise;
  await gone.close();
  const begunMs = performance.now();
  let waitedMs = Number.POSITIVE_INFINITY;
  const result = await withTransaction(client, { maxAttempts: 1 }, async () => {
    await currentTransaction().lock(tag);
    waitedMs = performance.now() - begunMs;
    await take('a', tag);
  });
  expect(result.outcome).toBe('committed');
  // Of the node's 10 s, or its 5 s for a lock, there is no word.
  expect(waitedMs).toBeLessThan(4_000);
});

it('knows that nothing happened where it gave up waiting for a lock', async () => {
  const tag = randomUUID();
  await using holder = await client.begin();
  await holder.lock(tag);
  // The transaction would last longer: the call's end comes first.
  const waiting = withTransaction(client, { maxAttempts: 1 }, async () => {
    await take('a', tag);
    await currentTransaction().lock(tag, { timeoutMs: 200 });
  });
  await expect(waiting).rejects.toMatchObject({ code: 'TIMEOUT', acted: 'nothing' });
  expect(await cluster.settled()).toEqual([]);
  expect(applied(tag)).toBe(0);
});
