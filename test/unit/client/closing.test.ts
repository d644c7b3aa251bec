/** `close` while a call pauses before its next attempt, or while the client still opens. */
import { expect, it } from 'vitest';
import { prepareClient } from '../../../src/client/client.ts';
import { begun, txid } from '../../support/clients/answers.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { MemoryDialer } from '../../support/network/memory-dialer.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const reason = { code: 'VOTED_ABORT', message: 'later', retryable: true } as const;
const aborted = { type: 'outcome', txid, outcome: 'aborted', results: null, reason } as const;
const retry = { retryDelayMs: 30_000, maxRetryDelayMs: 30_000 };
const request = { branches: [{ participant: 'p' }] };

it('a call that waits to try an abort again resolves with that abort', async () => {
  const { client, node } = await connectedClient();
  const transacting = watch(client.transact(request, { retry }));
  (await node.next('transact')).reply(aborted);
  const running = watch(client.run(async () => 'done', retry));
  (await node.next('begin')).reply(begun);
  (await node.next('commit')).reply(aborted);
  await settle();
  expect([transacting.state(), running.state()]).toEqual(['waiting', 'waiting']);
  await client.close();
  await settle();
  expect(transacting.value()).toMatchObject({ outcome: 'aborted', reason });
  expect(running.value()).toMatchObject({ outcome: 'aborted', reason });
});

it('a call that was refused for now rejects at once', async () => {
  const { client, node } = await connectedClient();
  const transacting = watch(client.transact(request, { timeoutMs: 100_000 }));
  (await node.next('transact')).fail('BUSY', { retryAfterMs: 20_000 });
  await settle();
  expect(transacting.state()).toBe('waiting');
  await client.close();
  await settle();
  expect(transacting.error()).toMatchObject({ code: 'CLOSED', acted: 'nothing' });
});

it('a client that is closed while it opens says so', async () => {
  const clock = new ManualClock();
  const { client, open } = await prepareClient({
    urls: ['a'],
    dialer: new MemoryDialer(),
    clock,
    random: seededRandom(),
  });
  const opening = watch(open());
  await settle();
  await client.close();
  await settle();
  expect(opening.error()).toMatchObject({ code: 'CLOSED', acted: 'nothing' });
});
