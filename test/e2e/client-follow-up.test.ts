/**
 * A client whose connection breaks between its request and the answer, on real sockets: what was
 * sent without a request id is never sent twice, its outcome is asked for; what has one is sent
 * again and runs once. And connections that are dead without a word are found.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RawPeer } from '../support/network/raw-peer.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { eventually, pause } from '../support/process/child.ts';

const rounds = 5;
let cluster: Cluster;
let proxy: TcpProxy;

/** The node's answer is on its way: it is decided, and the client does not know. */
const theOutcome = 'outcome';
/** It runs, and the client knows its txid. */
const itsBeginning = 'begun';

beforeEach(async () => {
  cluster = await Cluster.started({ options: { heartbeatMs: 200 } });
  proxy = await TcpProxy.started(cluster.node.port);
});

afterEach(async () => {
  await proxy.close();
  await cluster.remove();
});

describe('a client cut off before its answer', () => {
  it('learns the outcome of a transaction without a request id, which is not sent again', async () => {
    for (let round = 0; round < rounds; round += 1) {
      // Each a new one: after a cut, a client may take the address that the node advertises.
      const client = await cluster.client(proxy.url);
      proxy.cutBefore = theOutcome;
      const call = await cluster.history.transact(client, { a: {}, b: {}, c: {} });
      expect(proxy.cutBefore, 'the cut took place').toBeNull();
      expect(call).toMatchObject({ ended: 'ok', requestId: null });
    }
    expect(cluster.history.calls).toHaveLength(rounds);
    // Each tag took effect once at each participant, and nothing else did.
    expect(await cluster.settled()).toEqual([]);
  });

  it('learns the outcome of one that was cut off as soon as it had begun', async () => {
    for (let round = 0; round < rounds; round += 1) {
      // Each a new one: after a cut, a client may take the address that the node advertises.
      const client = await cluster.client(proxy.url);
      // The announcement has come through long before the votes are in.
      const call = cluster.history.transact(client, { a: { delayMs: 400 }, b: {} });
      await pause(150);
      proxy.cut();
      expect((await call).ended).toBe('ok');
    }
    expect(await cluster.settled()).toEqual([]);
  });

  it('says that it does not know, where not even the txid came through', async () => {
    const client = await cluster.client(proxy.url);
    proxy.cutBefore = itsBeginning;
    const call = await cluster.history.transact(client, { a: {} });
    expect(proxy.cutBefore, 'the cut took place').toBeNull();
    expect(call).toMatchObject({ ended: 'info', code: 'OUTCOME_UNKNOWN' });
    expect(await cluster.settled()).toEqual([]);
  });

  it('sends a request with an id again, and it runs once', async () => {
    for (let round = 0; round < rounds; round += 1) {
      // Each a new one: after a cut, a client may take the address that the node advertises.
      const client = await cluster.client(proxy.url);
      proxy.cutBefore = theOutcome;
      const requestId = `cut-${round}`;
      const call = await cluster.history.transact(client, { a: {}, b: {}, c: {} }, { requestId });
      expect(proxy.cutBefore, 'the cut took place').toBeNull();
      expect(call.ended).toBe('ok');
    }
    expect(await cluster.settled()).toEqual([]);
  });

  it('learns the outcome of an interactive commit', async () => {
    for (let round = 0; round < rounds; round += 1) {
      // Each a new one: after a cut, a client may take the address that the node advertises.
      const client = await cluster.client(proxy.url);
      proxy.cutBefore = theOutcome;
      const call = await cluster.history.interactive(client, { a: {}, b: {} });
      expect(proxy.cutBefore, 'the cut took place').toBeNull();
      expect(call.ended).toBe('ok');
    }
    expect(await cluster.settled()).toEqual([]);
  });

  it('is told truthfully of an abort, too', async () => {
    const client = await cluster.client(proxy.url);
    proxy.cutBefore = theOutcome;
    const call = await cluster.history.transact(client, { a: {}, b: { vote: 'abort' } });
    expect(proxy.cutBefore, 'the cut took place').toBeNull();
    expect(call.ended).toBe('fail');
    expect(await cluster.settled()).toEqual([]);
  });
});

describe('a half-open connection', () => {
  it('is found by the node’s heart-beats, and its place is free', async () => {
    // No SDK: that would come back at once by another way, and the count would not show it.
    await RawPeer.greeted(proxy.url, { name: 'silent', roles: ['client'] });
    const operator = await cluster.operator();
    const connections = async (): Promise<number> => {
      operator.send({ type: 'info', id: 1 });
      return (await operator.next('info')).connections as number;
    };
    const before = await connections();
    proxy.blackhole();
    await eventually(
      async () => ((await connections()) < before ? true : null),
      () => 'the dead connection to be dropped',
    );
    await operator.close();
    expect(cluster.node.alarms()).toEqual([]);
  });
});
