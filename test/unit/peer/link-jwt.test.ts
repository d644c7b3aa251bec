/** What a link shows where it has a JWT, and how it keeps its connection. */
import { describe, expect, it } from 'vitest';
import { checkJwt, type Jwt } from '../../../src/peer/jwt.ts';
import { JwtSource } from '../../../src/peer/jwt-source.ts';
import { Link } from '../../../src/peer/link.ts';
import { type MemoryConnection, MemoryDialer } from '../../support/network/memory-dialer.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';
import { txidOf, welcomeOf } from '../../support/samples/messages.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const connectTimeoutMs = 3_000;
const expiresInMs = 100_000;

function setUp(jwt: Jwt | null, url = 'wss://a:7070') {
  const clock = new ManualClock();
  const dialer = new MemoryDialer();
  const log: string[] = [];
  const link = new Link({
    url,
    dialer,
    clock,
    random: seededRandom(),
    credential: jwt === null ? undefined : { jwt: new JwtSource(jwt) },
    connectTimeoutMs,
    hello: () => ({ name: 'test', instance: 'i', roles: ['client'] }),
    events: {
      welcome: () => log.push('welcome'),
      lost: ({ reason }) => log.push(`lost: ${reason}`),
      failed: ({ reason }) => log.push(`failed: ${reason}`),
      refused: ({ code, message }) => log.push(`refused: ${code} ${message}`),
      withoutJwt: (problem) => log.push(`without: ${problem}`),
    },
  });
  const connect = async (more: object = { expiresInMs }): Promise<MemoryConnection> => {
    await settle();
    const connection = dialer.next().accept();
    connection.deliver(welcomeOf('a', more));
    connection.take();
    return connection;
  };
  return { clock, dialer, link, log, connect };
}

/** A fresh one at each call. */
function counted(): { readonly jwt: () => Promise<string>; asked: number } {
  const source = {
    asked: 0,
    jwt: async () => {
      source.asked += 1;
      return `h.p${source.asked}.s`;
    },
  };
  return source;
}

/** What is sent next, and when. */
async function next(clock: ManualClock, connection: MemoryConnection) {
  for (let afterMs = 0; afterMs < expiresInMs; afterMs += 100) {
    const [sent] = connection.take();
    if (sent !== undefined) return { sent: sent as { id: number }, afterMs };
    await clock.advance(100);
  }
  throw new Error('Nothing is sent.');
}

describe('a dial', () => {
  it('shows the text that was given, or what the function returns this time', async () => {
    const fixed = setUp('h.p.s');
    fixed.link.start();
    expect(fixed.dialer.next().options.credential).toEqual({ jwt: 'h.p.s' });
    const { link, dialer, clock } = setUp(counted().jwt);
    link.start();
    await settle();
    expect(dialer.next().options.credential).toEqual({ jwt: 'h.p1.s' });
    dialer.next().refuse();
    await clock.advance(100);
    expect(dialer.next().options.credential).toEqual({ jwt: 'h.p2.s' });
  });

  it.each(['ws://127.0.0.1:7070', 'http://a:7070', 'a:7070'])(
    'without TLS shows none and fails at once (%s)',
    async (url) => {
      const source = counted();
      const { link, dialer, clock, log } = setUp(source.jwt, url);
      link.start();
      await clock.advance(0);
      expect(log[0]).toMatch(/^refused: UNAUTHENTICATED .*wss:\/\//);
      await clock.advance(14_000);
      expect([dialer.dialled, source.asked, log.length]).toEqual([[], 0, 2]);
      await link.close();
      expect(clock.timers).toBe(0);
    },
  );

  it.each<[string, () => string | Promise<string>, RegExp]>([
    [
      'throws',
      () => {
        throw new Error('no network');
      },
      /no network/,
    ],
    ['rejects', () => Promise.reject(new Error('no network')), /no network/],
    ['returns nothing', () => undefined as never, /must return a JWT/],
    ['returns another text', () => 'secret-text', /must return a JWT/],
    ['hangs', () => new Promise<string>(() => undefined), /within 3000 ms/],
  ])('whose function %s fails, and is made again', async (_what, broken, why) => {
    let jwt = broken;
    let asked = 0;
    const { link, dialer, clock, log } = setUp(() => {
      asked += 1;
      return jwt();
    });
    link.start();
    await clock.advance(connectTimeoutMs);
    expect(log[0]).toMatch(new RegExp(`^without: .*${why.source}`));
    expect(log[1]).toMatch(new RegExp(`^failed: .*${why.source}`));
    expect(log.join()).not.toContain('secret-text');
    expect(dialer.dialled).toEqual([]);
    // Paced, not at speed.
    expect(asked).toBeLessThan(12);
    jwt = () => 'h.p.s';
    await clock.advance(2 * connectTimeoutMs);
    expect(dialer.next().options.credential).toEqual({ jwt: 'h.p.s' });
  });

  it('that waits for its JWT is given up with the link', async () => {
    let give: (jwt: string) => void = () => undefined;
    const { link, dialer, clock, log } = setUp(
      () =>
        new Promise<string>((resolve) => {
          give = resolve;
        }),
    );
    link.start();
    await link.close();
    give('h.p.s');
    await clock.advance(60_000);
    expect([dialer.dialled, log, clock.timers]).toEqual([[], [], 0]);
  });
});

describe('a connection', () => {
  it('is kept by a fresh JWT, shown at about four fifths of the time that is left', async () => {
    const source = counted();
    const { link, clock, connect } = setUp(source.jwt);
    link.start();
    const connection = await connect();
    for (const [leftMs, nth] of [
      [expiresInMs, 2],
      [10_000, 3],
    ] as const) {
      const { sent, afterMs } = await next(clock, connection);
      expect(sent).toEqual({ type: 'renew', id: expect.any(Number), token: `h.p${nth}.s` });
      expect(afterMs).toBeGreaterThan(leftMs * 0.74);
      expect(afterMs).toBeLessThan(leftMs * 0.86);
      connection.deliver({ type: 'renewed', id: sent.id, expiresInMs: 10_000 });
      await settle();
    }
    await link.close();
    expect(clock.timers).toBe(0);
  });

  it('with a fixed JWT, or one that does not expire, is left alone', async () => {
    const fixed = setUp('h.p.s');
    fixed.link.start();
    const source = counted();
    const endless = setUp(source.jwt);
    endless.link.start();
    for (const [setting, more] of [
      [fixed, { expiresInMs }],
      [endless, {}],
    ] as const) {
      const connection = await setting.connect(more);
      await setting.clock.advance(2 * expiresInMs);
      expect(connection.take()).toEqual([]);
    }
    expect(source.asked).toBe(1);
  });

  it('that lives for longer than a timer is not renewed at speed', async () => {
    const source = counted();
    const { link, clock, connect } = setUp(source.jwt);
    link.start();
    const connection = await connect({ expiresInMs: 2 ** 40 });
    await clock.advance(60_000);
    expect([source.asked, connection.take()]).toEqual([1, []]);
  });

  it('asks again while there is time, once a second at most, and then lets the node end it', async () => {
    const source = counted();
    let fails = false;
    const { link, clock, log, connect } = setUp(() => {
      if (!fails) return source.jwt();
      source.asked += 1;
      throw new Error('no network');
    });
    link.start();
    const connection = await connect();
    fails = true;
    await clock.advance(2 * expiresInMs);
    expect(source.asked).toBeGreaterThan(3);
    expect(source.asked).toBeLessThan(12);
    expect(log.filter((line) => line.includes('no network'))).toHaveLength(source.asked - 1);
    expect([connection.closedWith, connection.take()]).toEqual([null, []]);
    fails = false;
    connection.deliver({ type: 'goaway', reason: 'expired' });
    connection.drop({ code: 1008, reason: 'expired', kind: 'closed' });
    await clock.advance(100);
    await connect();
    expect(link.connected).toBe(true);
  });

  it('whose fresh JWT is refused is made again once no request is in flight', async () => {
    const { link, clock, log, connect } = setUp(counted().jwt);
    link.start();
    const connection = await connect();
    const status = link.request({ type: 'status', txid: txidOf(1) }, { timeoutMs: expiresInMs });
    connection.take();
    const { sent } = await next(clock, connection);
    connection.deliver({
      type: 'error',
      id: sent.id,
      code: 'UNAUTHENTICATED',
      message: 'It is of another identity.',
      retryable: false,
    });
    await settle();
    expect(connection.closedWith).toBe(null);
    const message = 'There is none.';
    const error = { code: 'UNKNOWN_TRANSACTION', message, retryable: false } as const;
    connection.deliver({ type: 'error', id: 1, ...error });
    await expect(status).rejects.toMatchObject({ code: 'UNKNOWN_TRANSACTION' });
    expect(connection.closedWith?.code).toBe(1000);
    await clock.advance(100);
    await connect();
    expect(log.filter((line) => line === 'welcome')).toHaveLength(2);
  });

  it('goes on where the node only has no time for the fresh JWT', async () => {
    const { link, clock, connect } = setUp(counted().jwt);
    link.start();
    const connection = await connect();
    const error = { type: 'error', code: 'BUSY', message: 'later', retryable: true } as const;
    connection.deliver({ ...error, id: (await next(clock, connection)).sent.id });
    expect((await next(clock, connection)).sent).toMatchObject({ token: 'h.p3.s' });
    expect(connection.closedWith).toBe(null);
  });
});

describe('what can be none', () => {
  it.each<[unknown, string | undefined]>([
    ['', undefined],
    ['two.parts', undefined],
    ['h.p.s\n', undefined],
    [7, undefined],
    [null, undefined],
    ['h.p.s', 'token'],
    [() => 'h.p.s', 'token'],
  ])('%s, beside the token %s', (jwt, token) => {
    expect(() => checkJwt(jwt as Jwt, token)).toThrow(TypeError);
  });
});

describe('a connection by a certificate that expires', () => {
  it('is made anew before that, once nothing is in flight', async () => {
    const { clock, link, log, connect } = setUp(null);
    link.start();
    const connection = await connect();
    const asked = link.request({ type: 'status', txid: txidOf(1) }, { timeoutMs: 200_000 });
    const outcome = asked.catch((error: unknown) => error);
    await clock.advance(expiresInMs * 0.86);
    expect(connection.open).toBe(true);
    connection.deliver({
      type: 'error',
      id: 1,
      code: 'UNKNOWN_TRANSACTION',
      message: 'none',
      retryable: false,
    });
    expect(await outcome).toMatchObject({ code: 'UNKNOWN_TRANSACTION' });
    await settle();
    expect(connection.open).toBe(false);
    await clock.advance(1_000);
    await connect();
    expect(log.filter((line) => line === 'welcome')).toHaveLength(2);
    await link.close();
  });

  it('is left alone where it never does', async () => {
    const { clock, link, connect } = setUp(null);
    link.start();
    const connection = await connect({});
    await clock.advance(1_000_000);
    expect(connection.open).toBe(true);
    await link.close();
  });
});
