/**
 * `answer: 'applied'`: the call ends when every participant has carried the commit out, or says
 * that they have not.
 */
import { describe, expect, it } from 'vitest';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { ScriptedNode } from '../../support/nodes/scripted-node.ts';
import { settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo, txidOf } from '../../support/samples/messages.ts';

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

  it('brings the share of a transaction that was handed on: to a stranger it does not exist', async () => {
    const { client, node } = await connectedClient();
    const call = client.transaction(txid, { share: 'share-1' }).commit({ answer: 'applied' });
    (await node.next('commit')).reply(committed);
    const asked = await node.next('status');
    expect(asked.message).toMatchObject({ txid, share: 'share-1' });
    asked.reply(statusIn('COMMITTED'));
    expect(await call).toMatchObject({ applied: true });
    await client.close();
  });

  it('asks ever more rarely, and each client at moments of its own, while a participant is away', async () => {
    const { client, node, clock } = await connectedClient();
    const calls = Array.from({ length: 20 }, () =>
      watch(client.transact({ branches }, { answer: 'applied', timeoutMs: 60_000 })),
    );
    for (const _ of calls) (await node.next('transact')).reply(committed);
    let asked = 0;
    const answer = async (): Promise<number> => {
      const requests = await node.waiting();
      for (let nth = 0; nth < requests; nth += 1)
        (await node.next('status')).reply(statusIn('COMMITTING'));
      asked += requests;
      return requests;
    };
    await answer();
    let mostAtOnce = 0;
    for (let ms = 0; ms < 55_000; ms += 10) {
      await clock.advance(10);
      const now = await answer();
      if (ms > 10_000) mostAtOnce = Math.max(mostAtOnce, now);
    }
    // 1.5 a second from each, and not all in one moment.
    expect(asked / calls.length).toBeLessThan(90);
    expect(mostAtOnce).toBeLessThan(calls.length / 2);
    await clock.advance(5_000);
    await settle();
    for (const call of calls) expect(call.value()).toMatchObject({ applied: false });
    await client.close();
  });

  it('goes on at the next leader', async () => {
    const leaders = [leaderInfo('a')];
    const a = new ScriptedNode('a', { leaders });
    const b = new ScriptedNode('b', { leaders });
    const { client, clock } = await connectedClient([a, b]);
    const call = watch(client.transact({ branches }, { answer: 'applied' }));
    (await a.next('transact')).reply(committed);
    (await a.next('status')).reply(statusIn('COMMITTING'));
    b.leaders = [leaderInfo('b', { revision: 2 })];
    b.tell({ type: 'topology', leaders: b.leaders, nodes: [] });
    await clock.advance(2);
    (await b.next('status')).reply(statusIn('COMMITTED'));
    await settle();
    expect(call.value()).toMatchObject({ outcome: 'committed', applied: true });
    await client.close();
  });

  it('is for interactive transactions and `run` too, and for no one who did not ask', async () => {
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
