import { expect, it } from 'vitest';
import { withTransaction } from '../../../src/client.ts';
import { transactionsOf } from '../../../src/http/transactions.ts';
// withTransaction loads it at its first use, which takes longer than `settle` waits.
import '../../../src/system/async-context.ts';
import { begun, committed, rolledBack } from '../../support/clients/answers.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { settle } from '../../support/samples/manual-clock.ts';

const deadlock = {
  ...rolledBack,
  reason: { code: 'DEADLOCK', message: 'youngest', retryable: true },
} as const;

async function request() {
  const setting = await connectedClient();
  const transactions = transactionsOf({
    client: () => setting.client,
    request: {},
    method: 'POST',
    header: undefined,
    setHeader: () => undefined,
    options: { scopeOf: 'everyone' },
    mode: 'off',
    tracked: (call) => call,
  });
  return { ...setting, transactions };
}

it('lets whoever began the transaction try again what a part lost that joined it', async () => {
  const { client, node, clock, transactions } = await request();
  for (const outermost of [
    (work: () => Promise<void>): Promise<unknown> => withTransaction(client, work),
    (work: () => Promise<void>): Promise<unknown> => transactions.withTransaction(work),
  ]) {
    const running = watch(
      outermost(() => transactions.withTransaction((tx) => tx.lock('lamp'), {})),
    );
    await settle();
    (await node.next('begin')).reply(begun);
    (await node.next('lock')).fail('DEADLOCK');
    (await node.next('rollback')).reply(deadlock);
    await clock.advance(100);
    (await node.next('begin')).reply(begun);
    (await node.next('lock')).fail('LIMIT_EXCEEDED');
    (await node.next('rollback')).reply(rolledBack);
    await settle();
    expect(running.state()).toBe('rejected');
  }
  // Who began it with the request has its answer of the kind that becomes a response.
  const running = watch(transactions.withTransaction(async () => 7));
  await settle();
  (await node.next('begin')).reply(begun);
  (await node.next('commit')).reply(committed);
  await settle();
  expect(running.value()).toBe(7);
  const failed = watch(transactions.withTransaction((tx) => tx.lock('lamp')));
  await settle();
  (await node.next('begin')).reply(begun);
  (await node.next('lock')).fail('LIMIT_EXCEEDED');
  (await node.next('rollback')).reply(rolledBack);
  await settle();
  expect(failed.error()).toMatchObject({ name: 'ProblemError', status: 500 });
  await client.close();
});

it('does not say that nothing was changed while the function of the request goes on', async () => {
  const { client, node, clock, transactions } = await request();
  const hangs = () => new Promise<void>(() => undefined);
  const running = watch(transactions.withTransaction(hangs, { timeoutMs: 1_000 }));
  await settle();
  (await node.next('begin')).reply(begun);
  await clock.advance(1_000);
  (await node.next('rollback')).reply(rolledBack);
  await settle();
  expect(running.error()).toMatchObject({ name: 'ProblemError', status: 504 });
  await client.close();
});
