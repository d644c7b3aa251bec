import { describe, expect, it } from 'vitest';
import { prepareClient } from '../../../src/client/client.ts';
import { connect } from '../../../src/client.ts';
import { connectedClient, watch } from '../../support/clients/client.ts';
import { MemoryDialer } from '../../support/network/memory-dialer.ts';
import { ScriptedNode, serveNodes } from '../../support/nodes/scripted-node.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { leaderInfo, txidOf } from '../../support/samples/messages.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const statusOf = (sequence: number) =>
  ({
    type: 'status',
    txid: txidOf(sequence),
    state: 'COMMITTED',
    attention: false,
    branches: [],
    ageMs: 5,
  }) as const;

describe('connect', () => {
  it('says who it is, and resolves with the first welcome', async () => {
    const { client, node, clock } = await connectedClient([new ScriptedNode('a')], {
      name: 'shop',
      // It goes into the upgrade request; test/unit/peer and test/e2e/token show to whom.
      token: 'secret',
    });
    expect(node.hellos).toMatchObject([{ name: 'shop', roles: ['client'], protocol: 1 }]);
    await client.close();
    expect(clock.timers).toBe(0);
  });

  it('gives up after its time-out, names the last failure, and leaves nothing behind', async () => {
    const clock = new ManualClock();
    const dialer = new MemoryDialer();
    serveNodes(dialer, []);
    const connecting = watch(connect({ urls: ['gone'], dialer, clock, random: seededRandom() }));
    await clock.advance(4_999);
    expect(connecting.state()).toBe('waiting');
    await clock.advance(1);
    expect(connecting.error()).toMatchObject({
      code: 'TIMEOUT',
      acted: 'nothing',
      message: expect.stringContaining('no one listens'),
    });
    expect(clock.timers).toBe(0);
  });

  it('says of a client that was made and not opened why it reaches no one', async () => {
    const clock = new ManualClock();
    const dialer = new MemoryDialer();
    serveNodes(dialer, []);
    const given = { urls: ['gone'], dialer, clock, random: seededRandom() };
    const { client } = await prepareClient(given);
    const asked = watch(client.begin({}, { timeoutMs: 1_000 }));
    await clock.advance(1_000);
    expect(asked.error()).toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining('await app.init() first'),
    });
    await client.close();
  });

  it('throws the node’s own error where it is refused, and the caller’s when given up', async () => {
    const node = new ScriptedNode('a');
    node.refusal = 'UNAUTHENTICATED';
    await expect(connectedClient([node])).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    await expect(
      connectedClient([new ScriptedNode('a')], { signal: AbortSignal.abort(new Error('no')) }),
    ).rejects.toMatchObject({ code: 'ABORTED_BY_CALLER', cause: { message: 'no' } });
    await expect(connectedClient([new ScriptedNode('a')], { urls: ['ftp://x'] })).rejects.toThrow(
      TypeError,
    );
  });

  it('closes by `await using`, and rejects every call from then on', async () => {
    const { client, clock, node } = await connectedClient();
    {
      await using closing = client;
      expect(closing).toBe(client);
    }
    expect(node.connected).toBe(false);
    await expect(client.transact({ branches: [] })).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(client.begin()).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(client.status(txidOf(1))).rejects.toMatchObject({ code: 'CLOSED' });
    expect(clock.timers).toBe(0);
  });
});

describe('a client that is closed amid a call', () => {
  it('is no unhandled rejection, though no one awaits the call yet; a forgotten call is one', async () => {
    const unhandled: unknown[] = [];
    const hear = (error: unknown): void => {
      unhandled.push(error);
    };
    const others = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', hear);
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    try {
      const { client, node } = await connectedClient();
      const call = client.transact({ branches: [{ participant: 'p' }] });
      await node.next('transact');
      await client.close();
      await turn();
      expect(unhandled).toEqual([]);
      await expect(call).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
      void client.transact({ branches: [{ participant: 'p' }] });
      await turn();
      expect(unhandled).toMatchObject([{ code: 'CLOSED' }]);
    } finally {
      process.removeListener('unhandledRejection', hear);
      for (const listener of others) process.on('unhandledRejection', listener);
    }
  });

  it('says what a request is', async () => {
    const { client } = await connectedClient();
    await expect(client.transact(undefined as never)).rejects.toThrow(/wants a request/);
    for (const branches of [undefined, null, {}, 'inventory']) {
      await expect(client.transact({ branches } as never)).rejects.toThrow(/wants a request/);
    }
    await client.close();
  });
});

describe('connect, given what is no list of addresses', () => {
  it.each([
    [undefined, /urls.*there are no options/],
    [{}, /urls must be a list/],
    [{ url: '127.0.0.1:7070' }, /urls.*`url` is no option/],
    [{ urls: '127.0.0.1:7070' }, /urls.*not one text/],
    [{ urls: [] }, /urls.*empty/],
    [{ urls: [undefined] }, /"undefined" is no node address/],
    [{ urls: [7070] }, /"7070" is no node address/],
    [{ urls: ['127.0.0.1:99999'] }, /no node address/],
    [{ urls: ['http://anna:secret@host:7070'] }, /no user and no password.*--token-file/],
    [{ urls: ['host:7070/?shard=1'] }, /no node address/],
  ])('says what it wants: %j', async (options, wanted) => {
    const error = await connect(options as never).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(wanted);
    expect((error as Error).message).not.toContain('secret');
  });
});

describe('status', () => {
  it('asks the leader, and whoever answers while there is none', async () => {
    const leaders = [leaderInfo('b')];
    const nodes = [new ScriptedNode('a', { leaders }), new ScriptedNode('b', { leaders })] as const;
    const { client, clock } = await connectedClient(nodes);
    const first = client.status(txidOf(1));
    const { type: _type, ...expected } = statusOf(1);
    (await nodes[1].next('status')).reply(statusOf(1));
    expect(await first).toEqual(expected);

    nodes[1].kill();
    await settle();
    const second = client.status(txidOf(2));
    (await nodes[0].next('status')).fail('LOG_UNAVAILABLE');
    await clock.advance(50);
    (await nodes[0].next('status')).reply(statusOf(2));
    expect((await second).state).toBe('COMMITTED');
    await client.close();
  });

  it('asks again where a node is silent or its connection is lost, and ends with its time-out', async () => {
    const { client, clock, node } = await connectedClient();
    const asked = watch(client.status(txidOf(1)));
    await node.next('status');
    await clock.advance(2_020);
    const { connection } = await node.next('status');
    connection.drop();
    await clock.advance(200);
    await node.next('status');
    await clock.advance(3_000);
    expect(asked.error()).toMatchObject({ code: 'TIMEOUT' });
    const expired = client.status(txidOf(1));
    await node.waiting();
    for (let left = await node.waiting(); left > 1; left -= 1) await node.next('status');
    (await node.next('status')).fail('EXPIRED');
    await expect(expired).rejects.toMatchObject({ code: 'EXPIRED' });
    await client.close();
  });
});
