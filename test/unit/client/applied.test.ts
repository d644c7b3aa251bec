/** `answer: 'applied'`: the call ends when every participant has carried the commit out, or says that they have not. */
import { describe, expect, it } from 'vitest';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { txidOf } from '../../support/samples/messages.ts';

const txid = txidOf(1);
const branches = [{ participant: 'inventory' }];
const committed = { type: 'outcome', txid, outcome: 'committed', results: null } as const;
const statusIn = (state: 'COMMITTING' | 'COMMITTED') =>
  ({ type: 'status', txid, state, attention: false, branches: [], ageMs: 1 }) as const;

describe("answer: 'applied'", () => {
  it('asks until the last participant has acknowledged', async () => {
    const { client, node, clock } = await connectedClient();
    const call = watch(client.transact({ branches }, { answer: 'applied' }));
    (await node.next('transact')).reply(committed);
    (await node.next('status')).reply(statusIn('COMMITTING'));
    await clock.advance(2);
    const second = await node.next('status');
    expect(call.state()).toBe('waiting');
    second.reply(statusIn('COMMITTED'));
    await settle();
    expect(call.value()).toMatchObject({ outcome: 'committed', applied: true });
    await client.close();
    expect(clock.timers).toBe(0);
  });

  it.each(['time', 'signal'])(
    'is committed all the same where the %s ends the waiting',
    async (end) => {
      const { client, node, clock } = await connectedClient();
      const controller = new AbortController();
      const options = { answer: 'applied', timeoutMs: 100, signal: controller.signal } as const;
      const call = watch(client.transact({ requestId: 'r', branches }, options));
      (await node.next('transact')).reply(committed);
      (await node.next('status')).reply(statusIn('COMMITTING'));
      if (end === 'signal') controller.abort();
      else await clock.advance(100);
      await settle();
      expect(call.value()).toMatchObject({ outcome: 'committed', txid, applied: false });
      await client.close();
    },
  );

  it('needs to ask nothing of what changed nothing, and knows that a collected record was acknowledged', async () => {
    const { client, node } = await connectedClient();
    const read = client.transact({ branches }, { answer: 'applied' });
    (await node.next('transact')).reply({ ...committed, readonly: true });
    expect(await read).toMatchObject({ applied: true });
    const old = client.transact({ branches }, { answer: 'applied' });
    (await node.next('transact')).reply(committed);
    (await node.next('status')).fail('EXPIRED');
    expect(await old).toMatchObject({ applied: true });
    await client.close();
  });

  it('is for interactive transactions and `run` too, and for nobody who did not ask', async () => {
    const { client, node } = await connectedClient();
    const run = client.run(() => Promise.resolve(5), { answer: 'applied' });
    (await node.next('begin')).reply({ type: 'begun', txid, timeoutMs: 1_000, share: 'share-1' });
    (await node.next('commit')).reply(committed);
    (await node.next('status')).reply(statusIn('COMMITTED'));
    expect(await run).toMatchObject({ outcome: 'committed', value: 5, applied: true });
    const plain = client.transact({ branches });
    (await node.next('transact')).reply(committed);
    expect(await plain).not.toHaveProperty('applied');
    await expect(client.transact({ branches }, { answer: 'soon' as never })).rejects.toThrow(
      /answer/,
    );
    await client.close();
  });
});
