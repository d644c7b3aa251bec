import { describe, expect, it } from 'vitest';
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import { Link } from '../../../src/peer/link.ts';
import type { LinkOptions } from '../../../src/peer/link-options.ts';
import { nodeUrl } from '../../../src/peer/url.ts';
import { type MemoryConnection, MemoryDialer } from '../../support/network/memory-dialer.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { txidOf, welcomeOf } from '../../support/samples/messages.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const txid = txidOf(1);
const timeoutMs = 1_000;

interface Setting {
  readonly clock: ManualClock;
  readonly dialer: MemoryDialer;
  readonly link: Link;
  readonly log: string[];
  readonly messages: FromNode[];
  /** Accepts the dial that waits, and welcomes. */
  connect(): MemoryConnection;
}

function setUp(more: Partial<LinkOptions> = {}): Setting {
  const clock = new ManualClock();
  const dialer = new MemoryDialer();
  const log: string[] = [];
  const messages: FromNode[] = [];
  const link = new Link({
    url: 'a:7070',
    dialer,
    clock,
    random: seededRandom(),
    hello: () => ({ name: 'test', instance: 'i', roles: ['client'] }),
    ...more,
    events: {
      welcome: (welcome) => log.push(`welcome ${welcome.node}`),
      message: (message) => messages.push(message),
      lost: (info) => log.push(`lost ${info.kind}`),
      failed: (info) => log.push(`failed ${info.kind}`),
      refused: (error) => log.push(`refused ${error.code}`),
    },
  });
  const connect = (): MemoryConnection => {
    const connection = dialer.next().accept();
    connection.deliver(welcomeOf('a'));
    connection.take();
    return connection;
  };
  return { clock, dialer, link, log, messages, connect };
}

describe('greeting', () => {
  it('says hello first, and is connected with the welcome only', () => {
    const { link, dialer, log } = setUp();
    expect(link.url).toBe('ws://a:7070/v1');
    link.start();
    link.start();
    expect(dialer.attempts).toHaveLength(1);
    const connection = dialer.next().accept();
    expect(connection.sent).toEqual([
      { type: 'hello', protocol: 1, name: 'test', instance: 'i', roles: ['client'] },
    ]);
    expect([link.connected, log]).toEqual([false, []]);
    expect(link.send({ type: 'working', txid, branch: 'b' })).toBe(false);
    connection.deliver(welcomeOf('a'));
    expect([link.connected, log, link.welcome?.node]).toEqual([true, ['welcome a'], 'a']);
    expect(log).toEqual(['welcome a']);
    expect(link.send({ type: 'working', txid, branch: 'b' })).toBe(true);
  });

  it('takes anything else before the welcome for a broken peer', async () => {
    const { link, dialer, log, messages } = setUp();
    link.start();
    const connection = dialer.next().accept();
    connection.deliver({ type: 'forget', txids: [txid] });
    expect(connection.closedWith?.code).toBe(1002);
    await settle();
    expect(log).toEqual(['failed closed']);
    expect(messages).toEqual([]);
  });

  it('gives up a node that does not welcome in time, and tries again', async () => {
    const { link, dialer, clock, log } = setUp({ connectTimeoutMs: 300 });
    link.start();
    const connection = dialer.next().accept();
    await clock.advance(299);
    expect(connection.open).toBe(true);
    await clock.advance(1);
    expect(connection.open).toBe(false);
    expect(log).toEqual(['failed closed']);
    await clock.advance(50);
    expect(dialer.attempts).toHaveLength(1);
  });

  it('asks a node that refused its token again only once in a while', async () => {
    const { link, dialer, clock, log } = setUp({ credential: { token: 'secret', given: true } });
    link.start();
    dialer.next().refuse({ kind: 'failed', status: 401 });
    await clock.advance(14_999);
    expect(log).toEqual(['refused UNAUTHENTICATED', 'failed failed']);
    expect(dialer.attempts).toHaveLength(0);
    await clock.advance(1);
    expect(dialer.attempts).toHaveLength(1);
  });

  it('asks a node that refused the hello again only once in a while', async () => {
    const { link, dialer, clock, log } = setUp();
    link.start();
    dialer.next().accept().deliver({
      type: 'error',
      code: 'UNAUTHENTICATED',
      message: 'no',
      retryable: false,
    });
    await clock.advance(14_999);
    expect(log).toEqual(['refused UNAUTHENTICATED', 'failed closed']);
    expect(dialer.attempts).toHaveLength(0);
    await clock.advance(1);
    expect(dialer.attempts).toHaveLength(1);
  });
});

describe('reconnecting', () => {
  it('doubles its pauses with jitter up to the limit, and starts anew after a connection that lasted', async () => {
    const { link, dialer, clock, connect } = setUp({ retryDelayMs: 100, maxRetryDelayMs: 1_000 });
    link.start();
    const pauses: number[] = [];
    const pause = async (): Promise<number> => {
      let waitedMs = 0;
      while (dialer.attempts.length === 0) {
        await clock.advance(1);
        waitedMs += 1;
      }
      return waitedMs;
    };
    for (let n = 0; n < 6; n += 1) {
      dialer.next().refuse();
      pauses.push(await pause());
    }
    for (const [n, limit] of [100, 200, 400, 800, 1_000, 1_000].entries()) {
      expect(pauses[n]).toBeGreaterThanOrEqual(limit / 2);
      expect(pauses[n]).toBeLessThanOrEqual(limit + 1);
    }
    // A connection that ends at once is one more failure.
    connect().drop();
    expect(await pause()).toBeGreaterThanOrEqual(500);
    const lasting = connect();
    await clock.advance(1_000);
    lasting.drop();
    expect(await pause()).toBeLessThanOrEqual(101);
  });

  it('comes back without penalty after a goaway, and skips the pause when told to', async () => {
    const { link, dialer, clock, connect, log, messages } = setUp({ retryDelayMs: 100 });
    link.start();
    for (let n = 0; n < 5; n += 1) {
      dialer.next().refuse();
      link.retryNow();
    }
    const connection = connect();
    connection.deliver({ type: 'goaway', reason: 'restart' });
    connection.drop({ code: 1001, kind: 'closed' });
    expect(messages).toEqual([{ type: 'goaway', reason: 'restart' }]);
    expect(log.at(-1)).toBe('lost closed');
    await clock.advance(100);
    expect(connect()).toBeDefined();
    expect(log.filter((event) => event === 'welcome a')).toHaveLength(2);
  });
});

describe('requests', () => {
  it('meet their one reply by id, and everything else is a message', async () => {
    const { link, connect, messages } = setUp();
    link.start();
    const connection = connect();
    const one = link.request({ type: 'begin' }, { timeoutMs });
    const two = link.request({ type: 'status', txid }, { timeoutMs });
    const [begin, status] = connection.take() as { id: number }[];
    expect([begin?.id, status?.id]).toEqual([1, 2]);
    const forget: FromNode = { type: 'forget', txids: [txid] };
    connection.deliver(forget, {
      type: 'error',
      id: 2,
      code: 'UNKNOWN_TRANSACTION',
      message: 'gone',
      retryable: false,
    });
    connection.deliver({ type: 'begun', id: 1, txid, timeoutMs: 5, share: 'share-1' });
    await expect(one).resolves.toMatchObject({ txid });
    await expect(two).rejects.toMatchObject({ code: 'UNKNOWN_TRANSACTION', acted: 'nothing' });
    expect(messages).toEqual([forget]);
  });

  it('hear of an early begun without taking it for the reply', async () => {
    const { link, connect } = setUp();
    link.start();
    const connection = connect();
    const begun: string[] = [];
    const done = link.request(
      { type: 'transact', branches: [], announce: true },
      { timeoutMs, onBegun: (message) => begun.push(message.txid) },
    );
    connection.deliver({ type: 'begun', id: 1, txid, timeoutMs: 5, share: 'share-1' });
    expect(begun).toEqual([txid]);
    connection.deliver({ type: 'outcome', id: 1, txid, outcome: 'committed', results: null });
    await expect(done).resolves.toMatchObject({ outcome: 'committed' });
  });

  it('time out, are given up, and are lost with the connection; a late reply is no one’s', async () => {
    const { link, clock, connect, messages } = setUp();
    const noBody = link.request({ type: 'begin' }, { timeoutMs });
    await expect(noBody).rejects.toMatchObject({ code: 'CONNECTION_LOST', acted: 'nothing' });
    link.start();
    const connection = connect();
    const late = link.request({ type: 'begin' }, { timeoutMs: 500 });
    const lateError = expect(late).rejects.toMatchObject({ code: 'TIMEOUT', acted: 'unknown' });
    await clock.advance(500);
    await lateError;
    connection.deliver({ type: 'begun', id: 2, txid, timeoutMs: 5, share: 'share-1' });
    expect(messages).toEqual([]);

    const controller = new AbortController();
    const given = link.request({ type: 'begin' }, { timeoutMs, signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(given).rejects.toMatchObject({
      code: 'ABORTED_BY_CALLER',
      acted: 'unknown',
      cause: { message: 'enough' },
    });
    const before = link.request({ type: 'begin' }, { timeoutMs, signal: controller.signal });
    await expect(before).rejects.toMatchObject({ code: 'ABORTED_BY_CALLER', acted: 'nothing' });
    expect(connection.take()).toHaveLength(2);

    const lost = link.request({ type: 'begin' }, { timeoutMs });
    connection.drop();
    await expect(lost).rejects.toMatchObject({ code: 'CONNECTION_LOST', acted: 'unknown' });
    expect(link.requestsInFlight).toBe(0);
    await link.close();
    expect(clock.timers).toBe(0);
  });

  it('that cannot be sent say why, and that nothing happened', async () => {
    const { link, connect } = setUp();
    link.start();
    const connection = connect();
    connection.sendFault = new RangeError('too large');
    await expect(link.request({ type: 'begin' }, { timeoutMs })).rejects.toMatchObject({
      code: 'TOO_LARGE',
      acted: 'nothing',
    });
    connection.sendFault = new TypeError('a function');
    await expect(link.request({ type: 'begin' }, { timeoutMs })).rejects.toMatchObject({
      code: 'INVALID_MESSAGE',
      acted: 'nothing',
    });
  });

  it('answered with another kind of reply, or with one that cannot be read, fail', async () => {
    const { link, connect } = setUp();
    link.start();
    const connection = connect();
    const one = link.request({ type: 'begin' }, { timeoutMs });
    const two = link.request({ type: 'begin' }, { timeoutMs });
    connection.deliver({ type: 'retired', id: 1 });
    connection.deliverInvalid({ code: 'INVALID_MESSAGE', message: 'begun.txid', id: 2 });
    await expect(one).rejects.toMatchObject({ code: 'INVALID_MESSAGE', acted: 'unknown' });
    await expect(two).rejects.toMatchObject({ code: 'INTERNAL', acted: 'unknown' });
  });
});

describe('closing', () => {
  it('ends everything and never connects again', async () => {
    const { link, clock, dialer, connect, log } = setUp();
    link.start();
    const connection = connect();
    const open = link.request({ type: 'begin' }, { timeoutMs });
    const closed = link.close();
    await expect(open).rejects.toMatchObject({ code: 'CLOSED', acted: 'unknown' });
    await closed;
    await link.close();
    expect(connection.closedWith?.code).toBe(1000);
    await expect(link.request({ type: 'begin' }, { timeoutMs })).rejects.toMatchObject({
      code: 'CLOSED',
    });
    await clock.advance(60_000);
    expect([dialer.dialled.length, clock.timers, link.connected]).toEqual([1, 0, false]);
    expect(log).toEqual(['welcome a']);
  });

  it('cancels a dial, and a pause', async () => {
    const dialling = setUp();
    dialling.link.start();
    await dialling.link.close();
    expect(dialling.dialer.attempts).toHaveLength(0);
    const pausing = setUp();
    pausing.link.start();
    pausing.dialer.next().refuse();
    await pausing.link.close();
    expect(pausing.clock.timers).toBe(0);
  });
});

describe('messages of an older connection', () => {
  it('are dropped', () => {
    const { link, connect, messages } = setUp();
    link.start();
    const old = connect();
    old.drop();
    link.retryNow();
    connect();
    const stale: ToNode[] = old.take();
    old.deliverLate({ type: 'forget', txids: [txid] });
    expect([messages, stale]).toEqual([[], []]);
  });
});

describe('nodeUrl', () => {
  it('takes addresses as people write them', () => {
    for (const [text, url] of [
      ['127.0.0.1:7070', 'ws://127.0.0.1:7070/v1'],
      ['localhost', 'ws://localhost:7070/v1'],
      ['localhost:80', 'ws://localhost/v1'],
      ['[::1]:9', 'ws://[::1]:9/v1'],
      ['http://a:1', 'ws://a:1/v1'],
      ['https://a', 'wss://a/v1'],
      ['ws://a:1/v1', 'ws://a:1/v1'],
      ['ws://a:1/behind/proxy/', 'ws://a:1/behind/proxy/v1'],
    ] as const) {
      expect(nodeUrl(text)).toBe(url);
    }
    for (const text of ['', 'ftp://a', 'ws://', 'a b', 'a:99999', 'ws://a/#x']) {
      expect(() => nodeUrl(text)).toThrow(/node address/);
    }
  });
});
