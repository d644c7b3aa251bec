/** A listener with TLS: who is let in, what is told to whoever is not, and what stays unharmed. */
import { once } from 'node:events';
import { get } from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Shown } from '../../../src/ports/access.ts';
import type { TlsOptions } from '../../../src/ports/tls.ts';
import type { CloseInfo } from '../../../src/ports/transport.ts';
import { systemClock } from '../../../src/system/clock.ts';
import type { AcceptorTls } from '../../../src/transport/tls/server-credentials.ts';
import { webSocketDialer } from '../../../src/transport/websocket/connect.ts';
import { readers } from '../../../src/wire/readers.ts';
import { TcpProxy } from '../../support/network/tcp-proxy.ts';
import { type Issued, TlsAuthority } from '../../support/network/tls-authority.ts';
import {
  cleanUp,
  cleanUps,
  endOf,
  listen,
  rawSocket,
  statusOf,
  textUntilEnd,
  until,
} from '../../support/network/websocket-rig.ts';
import { patienceMs } from '../../support/process/slowness.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

afterEach(cleanUp);

let authority: TlsAuthority;
let stranger: TlsAuthority;
let node: Issued;
let peer: Issued;
const who = { identity: 'payment', expiresAtMs: null };

function tlsOf(more: Partial<AcceptorTls> & { pem?: Issued } = {}): AcceptorTls {
  const { pem = node, ...given } = more;
  return { read: () => ({ ...pem, clientCa: authority.ca }), clientAuth: 'none', ...given };
}

/** Time-outs of the listener pass as the test says: who keeps to them may be paused meanwhile. */
class DoorClock extends ManualClock {
  readonly handshakeTimeoutMs = 60_000;

  /** Real certificates have real dates. */
  override wallMs(): number {
    return Date.now();
  }

  async runsUntil<Value>(ended: Promise<Value>): Promise<Value> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    ended.then(over, over);
    while (!isOver) await this.advance(this.handshakeTimeoutMs);
    return ended;
  }
}

/** `opened`, or how it failed. */
function dialled(
  url: string,
  tls?: TlsOptions,
  more: { names?: readonly string[] } = {},
): Promise<'opened' | CloseInfo> {
  return new Promise((resolve) => {
    const at = url.replace('ws://', tls === undefined ? 'ws://' : 'wss://');
    webSocketDialer({ clock: systemClock, readers: readers['from-node'], tls }).connect(
      { url: at, timeoutMs: patienceMs, heartbeatMs: 5_000, ...more },
      {
        opened: (connection) => {
          cleanUps.push(() => connection.terminate());
          resolve('opened');
          return endOf(connection).handler as never;
        },
        failed: resolve,
      },
    );
  });
}

async function reasonOf(...args: Parameters<typeof dialled>): Promise<string> {
  const info = await dialled(...args);
  if (info === 'opened') throw new Error('It was let in.');
  expect(info.kind).toBe('failed');
  return info.reason;
}

describe('with TLS', () => {
  beforeAll(async () => {
    authority = await TlsAuthority.made();
    stranger = await TlsAuthority.made();
    node = await authority.issue({
      names: ['IP:127.0.0.1', 'DNS:a.example', 'DNS:x.y.deep', 'URI:spiffe://x/node/a'],
    });
    peer = await authority.issue({
      names: ['URI:spiffe://x/payment', 'DNS:payment.x'],
      commonName: 'p',
    });
  });
  afterAll(() => {});

  describe('the node', () => {
    it('is let talk to when its certificate is for the address, and signed by the authority', async () => {
      const { url } = await listen({ tls: tlsOf() });
      expect(await dialled(url, { ca: authority.ca })).toBe('opened');
    });

    it('of another authority is not, whatever the environment says', async () => {
      const { url } = await listen({ tls: tlsOf() });
      for (const value of [undefined, '0']) {
        if (value !== undefined) process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = value;
        try {
          expect(await reasonOf(url, { ca: stranger.ca })).toContain('tls.ca (--tls-ca)');
          expect(await reasonOf(url, {})).toContain('tls.ca (--tls-ca)');
        } finally {
          delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
        }
      }
    });

    it.each([
      [{ names: ['DNS:a.example'] }, 'is not for 127.0.0.1'],
      [{ names: [], commonName: '127.0.0.1' }, 'it has no subjectAltName'],
      [{ names: ['DNS:127.0.0.1'] }, 'is not for 127.0.0.1'],
      [{ names: ['IP:127.0.0.1', 'URI:spiffe://x, IP Address:10.0.0.1'] }, 'characters'],
    ])('with %j is not the one that was dialled', async (wish, text) => {
      const { url } = await listen({ tls: tlsOf({ pem: await authority.issue(wish) }) });
      expect(await reasonOf(url, { ca: authority.ca })).toContain(text);
    });

    it('is the one that has the name given for all nodes', async () => {
      const { url } = await listen({ tls: tlsOf() });
      const { ca } = authority;
      expect(await dialled(url, { ca, serverName: 'a.example' })).toBe('opened');
      expect(await reasonOf(url, { ca, serverName: 'b.example' })).toContain('--tls-server-name');
      // Not as its common name, which no one has to look after.
      for (const names of [[], ['URI:spiffe://x/b']]) {
        const pem = await authority.issue({ names, commonName: 'b.example' });
        const { url: other } = await listen({ tls: tlsOf({ pem }) });
        expect(await reasonOf(other, { ca, serverName: 'b.example' })).toContain('is not for');
      }
    });

    it('whose certificate has expired, or is for clients alone, is told what to do', async () => {
      const expired = await listen({ tls: tlsOf({ pem: await authority.issue({ days: -1 }) }) });
      expect(await reasonOf(expired.url, { ca: authority.ca })).toMatch(/has expired.*--tls-cert/);
      const pem = await authority.issue({ usage: 'clientAuth' });
      const forClients = await listen({ tls: tlsOf({ pem }) });
      expect(await reasonOf(forClients.url, { ca: authority.ca })).toContain('serverAuth');
    });

    it.each([
      [['127.0.0.1'], true],
      [['a.example'], true],
      [['A.example', 'z'], true],
      [['*.example'], true],
      [['*.x'], false],
      [['*.a.example'], false],
      [['*.deep'], false],
      [['*.y.deep'], true],
      [['not\u0000a host'], false],
      [['spiffe://x/node/a'], true],
      [['spiffe://x/node/*'], true],
      [['spiffe://x/other/*'], false],
      [['spiffe://x/node'], false],
      [['b.example', '10.0.0.1'], false],
    ])(
      'at an address that was only advertised needs one of the names %j: %s',
      async (names, right) => {
        const { url } = await listen({ tls: tlsOf() });
        const { ca } = authority;
        for (const [tls, more] of [
          [{ ca }, { names }],
          [{ ca, nodeNames: names }, {}],
          [{ ca, nodeNames: names }, { names: ['a.example'] }],
        ] as const) {
          if (right) expect(await dialled(url, tls, more)).toBe('opened');
          else expect(await reasonOf(url, tls, more)).toMatch(/--tls-node-names|cannot be read/);
        }
      },
    );
  });

  describe('a peer', () => {
    it('without a certificate is let in where none is required, and told where one is', async () => {
      const { ca } = authority;
      const optional = await listen({ tls: tlsOf({ clientAuth: 'optional' }) });
      expect(await dialled(optional.url, { ca })).toBe('opened');
      const required = await listen({ tls: tlsOf({ clientAuth: 'required' }) });
      expect(await dialled(required.url, { ca })).toMatchObject({
        status: 401,
        said: expect.stringContaining('tls.cert and tls.key (--tls-cert, --tls-key)'),
      });
      expect(await dialled(required.url, { ca, ...peer })).toBe('opened');
      expect(required.ends).toHaveLength(1);
    });

    it('is known by the names of its certificate, none of which it can make up', async () => {
      const seen: Shown[] = [];
      const { url, next } = await listen({
        tls: tlsOf({ clientAuth: 'required' }),
        authenticate: (shown) => {
          seen.push(shown);
          return { status: 'right', who };
        },
      });
      expect(await dialled(url, { ca: authority.ca, ...peer })).toBe('opened');
      expect((await next()).connection.authenticated).toEqual(who);
      expect(seen[0]).toMatchObject({
        address: '127.0.0.1',
        authorization: null,
        certificate: { names: ['URI:spiffe://x/payment', 'DNS:payment.x'], subject: 'CN=p' },
      });
      const leftMs = (seen[0]?.certificate?.expiresAtMs ?? 0) - Date.now();
      expect(leftMs / 86_400_000).toBeGreaterThan(29);
      const odd = await authority.issue({ names: ['URI:spiffe://x, URI:spiffe://x/payment'] });
      expect(await dialled(url, { ca: authority.ca, ...odd })).toMatchObject({ status: 401 });
      expect(seen).toHaveLength(1);
    });

    it.each(['optional', 'required'] as const)(
      'with one that cannot be verified is refused, whatever else it has (%s)',
      async (clientAuth) => {
        const { url, ends } = await listen({
          tls: tlsOf({ clientAuth }),
          authenticate: () => ({ status: 'right', who }),
        });
        const { ca } = authority;
        for (const [shown, text] of [
          [await stranger.issue(), '--tls-client-ca'],
          [await authority.issue({ days: -1 }), 'expired'],
          [await authority.issue({ usage: 'serverAuth' }), 'clientAuth'],
        ] as const) {
          expect(await dialled(url, { ca, ...shown })).toMatchObject({
            status: 401,
            said: expect.stringContaining(text),
          });
        }
        expect(ends).toHaveLength(0);
      },
    );

    it('is not taken at the word of any public authority', async () => {
      const read = () => node;
      await expect(listen({ tls: { read, clientAuth: 'optional' } })).rejects.toThrow(
        '--tls-client-ca',
      );
    });

    it('is told what is wrong with its own files', async () => {
      const { url } = await listen({ tls: tlsOf() });
      const { ca } = authority;
      for (const [tls, text] of [
        [{ ca, cert: peer.cert, key: node.key }, 'does not belong to'],
        [{ ca, cert: peer.cert }, 'give both'],
        [{ ca, cert: peer.cert, key: peer.cert }, 'no key in tls.key (--tls-key)'],
        [{ ca: 'garbage' }, 'no certificate in tls.ca (--tls-ca)'],
        [{ ca: '' }, 'no certificate in tls.ca (--tls-ca)'],
        [{ ca: { file: '/nowhere/ca.pem' } }, 'tls.ca (--tls-ca) cannot be read'],
      ] as const) {
        expect(await reasonOf(url, tls)).toContain(text);
      }
    });
  });

  describe('an authority that is taken out of the file', () => {
    const setUp = async (clientAuth: AcceptorTls['clientAuth'] = 'optional') => {
      let clientCa = `${authority.ca}${stranger.ca}`;
      let reread = (): void => undefined;
      const rig = await listen({
        tls: {
          read: () => ({ ...node, clientCa }),
          clientAuth,
          onReread: (given) => {
            reread = given;
          },
        },
        http: (_request, response) => response.end('well'),
        authenticate: () => ({ status: 'right', who }),
      });
      const change = (pem: string): void => {
        clientCa = pem;
        reread();
      };
      const enter = async (shown: Partial<Issued>) => {
        expect(await dialled(rig.url, { ca: authority.ca, ...shown })).toBe('opened');
        return rig.next();
      };
      return { ...rig, change, enter };
    };

    it('takes the connections that it vouched for with it, and no others', async () => {
      const { enter, change, url } = await setUp();
      const [kept, bare] = [await enter(peer), await enter({})];
      const foreign = await stranger.issue();
      const lost = await enter(foreign);
      const late: string[] = [];
      for (const [name, end] of Object.entries({ kept, bare, lost })) {
        end.closed.then(() => late.push(name));
      }
      change(`${stranger.ca}${authority.ca}`);
      const added = await enter(foreign);
      change(authority.ca);
      for (const end of [lost, added]) {
        expect(await end.closed).toMatchObject({
          code: 1008,
          reason: expect.stringMatching(/^No authority of --tls-client-ca vouches/),
        });
      }
      expect(await dialled(url, { ca: authority.ca, ...foreign })).toMatchObject({ status: 401 });
      await enter(peer);
      expect(late).toEqual(['lost']);
    });

    it('lets no socket in that it vouched for before, nor one whose handshake was not over', async () => {
      const { listener, change, ends } = await setUp('required');
      const { port } = listener;
      const foreign = { ca: authority.ca, ...(await stranger.issue()) };
      const early = connectTls({ host: '127.0.0.1', port, ...foreign });
      early.on('error', () => undefined);
      await once(early, 'secureConnect');
      // It has spoken, and asked for no upgrade yet.
      early.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(early, 'data');
      const proxy = await TcpProxy.started(port);
      cleanUps.push(() => proxy.close());
      let pieces = 0;
      proxy.rule = (direction) => {
        if (direction === 'request') pieces += 1;
        return pieces > 1 ? 'hold' : 'pass';
      };
      const [host, proxyPort] = proxy.url.split(':');
      const half = connectTls({ host, port: Number(proxyPort), ...foreign });
      half.on('error', () => undefined);
      half.once('secureConnect', () => half.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'));
      let heard = '';
      half.on('data', (bytes) => {
        heard += bytes;
      });
      await until(() => pieces > 1);
      change(authority.ca);
      const closed = Promise.all([once(early, 'close'), once(half, 'close')]);
      proxy.rule = null;
      proxy.release();
      await closed;
      expect(heard).toBe('');
      expect(ends).toHaveLength(0);
    });
  });

  describe('two sockets from one port to two addresses of the node', () => {
    const start = async (more: Parameters<typeof listen>[0] & { clientCa?: () => string } = {}) => {
      let reread = (): void => undefined;
      const { clientCa = () => `${authority.ca}${stranger.ca}`, ...options } = more;
      const rig = await listen({
        host: '0.0.0.0',
        http: (_request, response) => response.end('well'),
        ...options,
        tls: {
          read: () => ({ ...node, clientCa: clientCa() }),
          clientAuth: 'required',
          onReread: (given) => {
            reread = given;
          },
        },
      });
      return { ...rig, reread: () => reread() };
    };
    const from = async (localPort: number, at: { host: string; port: number }) => {
      const socket = connectTcp({ ...at, localAddress: '127.0.0.1', localPort });
      cleanUps.push(() => socket.destroy());
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      return socket;
    };

    it('are two handshakes: the later one does not lend the earlier its authorities', async () => {
      let clientCa = `${authority.ca}${stranger.ca}`;
      const { listener, reread, url } = await start({ clientCa: () => clientCa });
      const { port } = listener;
      const raw = await from(0, { host: '127.0.0.1', port });
      const ended = new Promise((resolve) => raw.once('close', resolve));
      // The first flight goes; what follows is held back.
      const held: Buffer[] = [];
      let flights = 0;
      let heard = '';
      const below = new Duplex({
        read: () => undefined,
        write: (chunk, _encoding, done) => {
          flights += 1;
          if (flights === 1) raw.write(chunk);
          else held.push(chunk);
          done();
        },
      });
      raw.on('data', (chunk) => below.push(chunk));
      const half = connectTls({
        socket: below,
        servername: 'a.example',
        ca: authority.ca,
        ...(await stranger.issue()),
      });
      half.on('error', () => undefined);
      half.on('data', (bytes) => {
        heard += bytes;
      });
      await once(half, 'secureConnect');
      half.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => held.length > 0);
      clientCa = authority.ca;
      reread();
      await from(raw.localPort ?? 0, { host: '127.0.0.2', port });
      // Whoever comes after it is seen after it.
      expect(
        await dialled(url.replace('0.0.0.0', '127.0.0.1'), { ca: authority.ca, ...peer }),
      ).toBe('opened');
      for (const chunk of held) raw.write(chunk);
      await ended;
      expect(heard).toBe('');
    });

    it('do not share a time-out: the end of one leaves the other its own', async () => {
      const clock = new DoorClock();
      const { listener } = await start({ clock, handshakeTimeoutMs: clock.handshakeTimeoutMs });
      const { port } = listener;
      const raw = await from(0, { host: '127.0.0.1', port });
      const silent = await from(raw.localPort ?? 0, { host: '127.0.0.2', port });
      const ended = new Promise((resolve) => silent.resume().once('close', resolve));
      const whole = connectTls({
        socket: raw,
        servername: 'a.example',
        ca: authority.ca,
        ...peer,
      });
      whole.on('error', () => undefined);
      await once(whole, 'secureConnect');
      await clock.runsUntil(ended);
    });
  });

  describe('where only one side speaks it', () => {
    it('a peer without is told to dial wss://', async () => {
      const { url } = await listen({ tls: tlsOf() });
      expect(await dialled(url)).toMatchObject({ reason: expect.stringMatching(/wss:.*--tls-ca/) });
    });

    it('a peer with is told what the node lacks, and nothing is sent without', async () => {
      const { url, ends } = await listen();
      expect(await reasonOf(url, { ca: authority.ca })).toMatch(/no TLS.*--tls-cert.*ws:/);
      expect(ends).toHaveLength(0);
    });
  });

  describe('the listener', () => {
    it('answers probes of health without a certificate, but no upgrade', async () => {
      const { listener } = await listen({
        tls: tlsOf({ clientAuth: 'required' }),
        http: (_request, response) => response.end('well'),
      });
      const body = await new Promise((resolve, reject) => {
        get(`https://${listener.address}/healthz`, { ca: authority.ca }, (response) => {
          response.on('data', (chunk) => resolve(String(chunk)));
        }).on('error', reject);
      });
      expect(body).toBe('well');
    });

    it('speaks nothing below TLS 1.2, nothing but HTTP/1.1, and resumes no session', async () => {
      const { listener, url } = await listen({ tls: tlsOf() });
      const speak = async (more: object): Promise<TLSSocket> => {
        const { port } = listener;
        const socket = connectTls({ host: '127.0.0.1', port, ca: authority.ca, ...more });
        cleanUps.push(() => socket.destroy());
        await once(socket, 'secureConnect');
        return socket;
      };
      const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
      await expect(speak(old)).rejects.toThrow(/alert protocol version/);
      await expect(speak({ ALPNProtocols: ['h2'] })).rejects.toThrow();
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
        const first = await speak({ ALPNProtocols: ['h2', 'http/1.1'], maxVersion });
        expect(first.alpnProtocol).toBe('http/1.1');
        const session = first.getSession();
        const second = await speak({ session, maxVersion });
        expect(second.isSessionReused()).toBe(false);
      }
      expect(await dialled(url, { ca: authority.ca })).toBe('opened');
    });

    it('shakes hands once: a second time another certificate could be shown', async () => {
      const { listener } = await listen({
        tls: tlsOf({ clientAuth: 'required' }),
      });
      const { port } = listener;
      const socket = connectTls({
        host: '127.0.0.1',
        port,
        ca: authority.ca,
        ...peer,
        maxVersion: 'TLSv1.2',
      });
      cleanUps.push(() => socket.destroy());
      await once(socket, 'secureConnect');
      const again = await new Promise<string>((resolve) => {
        socket.once('error', (error) => resolve(error.message));
        socket.once('close', () => resolve('closed'));
        socket.renegotiate({}, (error) => resolve(error === null ? 'shaken' : error.message));
      });
      expect(again).not.toBe('shaken');
    });

    it('is not harmed by what is no TLS, or breaks off, or never ends, and logs none of it', async () => {
      const problems: Error[] = [];
      const said: string[] = [];
      const clock = new DoorClock();
      const { url } = await listen({
        tls: tlsOf({ clientAuth: 'required', log: (_level, text) => said.push(text) }),
        clock,
        handshakeTimeoutMs: clock.handshakeTimeoutMs,
        problem: (error) => problems.push(error),
      });
      const hello = Buffer.from('160301020001000200', 'hex');
      for (const bytes of ['GET / HTTP/1.1\r\n\r\n', Buffer.alloc(2_000, 255), hello]) {
        const socket = await rawSocket(url);
        const ended = textUntilEnd(socket);
        socket.write(bytes);
        await (bytes === hello ? clock.runsUntil(ended) : ended);
      }
      const reset = await rawSocket(url);
      reset.write(hello);
      reset.resetAndDestroy();
      const silent = await rawSocket(url);
      await clock.runsUntil(textUntilEnd(silent));
      expect(await dialled(url, { ca: authority.ca, ...peer })).toBe('opened');
      expect(problems).toEqual([]);
      expect(said).toEqual([]);
    });

    it('counts sockets whose handshake is not over among those of their address', async () => {
      const { url } = await listen({ tls: tlsOf(), maxConnectionsPerAddress: 1 });
      const open: { readonly closed: boolean }[] = [];
      for (let count = 0; count < 65; count += 1) open.push(await rawSocket(url));
      const ended = textUntilEnd(await rawSocket(url));
      await ended;
      expect(open.filter(({ closed }) => closed)).toHaveLength(0);
    });

    it('lets in all of two hundred that come at once', async () => {
      const clock = new DoorClock();
      const { handshakeTimeoutMs } = clock;
      const { url } = await listen({ tls: tlsOf(), clock, handshakeTimeoutMs });
      const all = Array.from({ length: 200 }, () => dialled(url, { ca: authority.ca }));
      expect(new Set(await Promise.all(all))).toEqual(new Set(['opened']));
    });

    it('closes though a handshake is not over', async () => {
      const { listener, url } = await listen({ tls: tlsOf(), handshakeTimeoutMs: 60_000 });
      const ended = textUntilEnd(await rawSocket(url));
      await listener.close();
      await ended;
    });

    it('looks at connections as one without TLS does: a peer that is gone is reset', async () => {
      const { url, next } = await listen({ tls: tlsOf() });
      const info = await dialled(url, { ca: authority.ca });
      expect(info).toBe('opened');
      const server = await next();
      await cleanUps.pop()?.();
      expect(await server.closed).toMatchObject({ kind: 'reset' });
    });

    it('waits for who has to look, and refuses where that fails or takes too long', async () => {
      const problems: string[] = [];
      let answer: () => Promise<never> = () => Promise.reject(new Error('No answer.'));
      const clock = new DoorClock();
      const { url, ends } = await listen({
        authenticate: () => answer(),
        clock,
        handshakeTimeoutMs: clock.handshakeTimeoutMs,
        problem: ({ message }) => problems.push(message),
      });
      expect(await statusOf(url)).toBe(503);
      answer = () => new Promise(() => undefined);
      expect(await clock.runsUntil(statusOf(url))).toBe(503);
      expect(problems).toEqual(['No answer.']);
      expect(ends).toHaveLength(0);
    });

    it('asks for a proof where it is told to, in the answer to that one upgrade', async () => {
      let asks = true;
      const { url, next } = await listen({
        authenticate: () =>
          asks
            ? {
                status: 'challenged',
                headers: { 'X-Nonce': 'n-1' },
                check: (proof) => (proof === 'p' ? who : null),
              }
            : { status: 'absent' },
      });
      const nonce = async (): Promise<string | undefined> => {
        const socket = await rawSocket(url);
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.write(
          'GET /v1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
            'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
        );
        await until(() => text.includes('\r\n\r\n'));
        return /X-Nonce: (\S+)/.exec(text)?.[1];
      };
      expect(await nonce()).toBe('n-1');
      const { connection } = await next();
      expect(connection.authenticated).toBe(null);
      expect([connection.check?.('p'), connection.check?.('q')]).toEqual([who, null]);
      asks = false;
      expect(await nonce()).toBe(undefined);
    });
  });

  it('messages of one turn leave in one record', async () => {
    const { listener, next } = await listen({ tls: tlsOf() });
    const records: number[] = [];
    const { createServer } = await import('node:net');
    const between = createServer((near) => {
      const far = connectTcp(listener.port, '127.0.0.1');
      near.pipe(far);
      let rest = Buffer.alloc(0);
      far.on('data', (chunk) => {
        near.write(chunk);
        rest = Buffer.concat([rest, chunk]);
        while (rest.length >= 5 && rest.length >= 5 + rest.readUInt16BE(3)) {
          const length = rest.readUInt16BE(3);
          if (rest[0] === 0x17) records.push(length);
          rest = rest.subarray(5 + length);
        }
      });
      for (const socket of [near, far]) socket.on('error', () => undefined);
      cleanUps.push(() => far.destroy());
    }).listen(0, '127.0.0.1');
    await once(between, 'listening');
    cleanUps.push(() => between.close());
    const { port } = between.address() as AddressInfo;
    expect(await dialled(`ws://127.0.0.1:${port}/v1`, { ca: authority.ca })).toBe('opened');
    const { connection } = await next();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const before = records.length;
    for (let id = 0; id < 20; id += 1) {
      connection.send({
        type: 'error',
        id,
        code: 'BUSY',
        message: 'x'.repeat(300),
        retryable: true,
      });
    }
    await until(() => records.length > before);
    expect(records.slice(before)).toHaveLength(1);
    expect(records[before]).toBeGreaterThan(6_000);
  });
});
