import { once } from 'node:events';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { abortReason } from '../../../src/core/catalogue.ts';
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import type {
  CloseInfo,
  Connection,
  ConnectionHandler,
  Listener,
} from '../../../src/ports/transport.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { webSocketDialer } from '../../../src/transport/websocket/connect.ts';
import {
  type AcceptorOptions,
  webSocketAcceptor,
} from '../../../src/transport/websocket/listen.ts';
import { txidOf, welcomeOf } from '../../support/messages.ts';

const working = (branch: string): ToNode => ({ type: 'working', txid: txidOf(1), branch });
const goaway = (reason: string): FromNode => ({ type: 'goaway', reason });
const welcome: FromNode = welcomeOf('a', {
  limits: { ...welcomeOf('a').limits, frameBytesMax: 4_096 },
});

interface End<In, Out> {
  readonly connection: Connection<Out>;
  readonly messages: In[];
  readonly problems: { code: string; message: string; id?: number }[];
  readonly closed: Promise<CloseInfo>;
  readonly handler: ConnectionHandler<In>;
}

function endOf<In, Out>(connection: Connection<Out>): End<In, Out> {
  const messages: In[] = [];
  const problems: { code: string; message: string }[] = [];
  let closedBy: (info: CloseInfo) => void;
  const closed = new Promise<CloseInfo>((resolve) => {
    closedBy = resolve;
  });
  const handler: ConnectionHandler<In> = {
    message: (message) => messages.push(message),
    invalid: (problem) => problems.push(problem),
    closed: (info) => closedBy(info),
  };
  return { connection, messages, problems, closed, handler };
}

type ServerEnd = End<ToNode, FromNode>;
type ClientEnd = End<FromNode, ToNode>;

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function listen(
  options: Partial<AcceptorOptions> = {},
): Promise<{ listener: Listener; url: string; ends: ServerEnd[]; next: () => Promise<ServerEnd> }> {
  const ends: ServerEnd[] = [];
  const listener = await webSocketAcceptor({ clock: systemClock, port: 0, ...options }).listen(
    (connection) => {
      const end: ServerEnd = endOf(connection);
      ends.push(end);
      return end.handler;
    },
  );
  cleanUps.push(() => listener.close());
  let taken = 0;
  const next = async (): Promise<ServerEnd> => {
    await until(() => ends.length > taken);
    taken += 1;
    return ends[taken - 1] as ServerEnd;
  };
  return { listener, url: `ws://${listener.address}/v1`, ends, next };
}

function dial(
  url: string,
  more: { timeoutMs?: number; heartbeatMs?: number } = {},
): Promise<ClientEnd> {
  return new Promise((resolve, reject) => {
    webSocketDialer({ clock: systemClock }).connect(
      { url, timeoutMs: 5_000, heartbeatMs: 5_000, ...more },
      {
        opened: (connection) => {
          const end: ClientEnd = endOf(connection);
          cleanUps.push(() => connection.terminate());
          resolve(end);
          return end.handler;
        },
        failed: (info) => reject(Object.assign(new Error(info.reason), { info })),
      },
    );
  });
}

async function until(condition: () => boolean): Promise<void> {
  for (let left = 1_000; left > 0; left -= 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('It never came true.');
}

/** A bare `ws` client: what a peer in another language would be. */
async function bare(
  url: string,
  options: { headers?: Record<string, string>; protocols?: string[]; autoPong?: boolean } = {},
): Promise<{
  socket: WebSocket;
  frames: { data: Buffer; isBinary: boolean }[];
  ended: Promise<number>;
}> {
  const socket = new WebSocket(url, options.protocols ?? [], {
    headers: options.headers ?? {},
    perMessageDeflate: true,
    ...(options.autoPong === undefined ? {} : { autoPong: options.autoPong }),
  });
  cleanUps.push(() => socket.terminate());
  const frames: { data: Buffer; isBinary: boolean }[] = [];
  socket.on('message', (data, isBinary) => frames.push({ data: data as Buffer, isBinary }));
  const ended = new Promise<number>((resolve) => socket.once('close', resolve));
  await once(socket, 'open');
  socket.on('error', () => undefined);
  return { socket, frames, ended };
}

async function statusOf(
  url: string,
  options: { headers?: Record<string, string>; protocols?: string[] } = {},
): Promise<number> {
  const socket = new WebSocket(url, options.protocols ?? ['verdict.v1'], {
    headers: options.headers ?? {},
  });
  cleanUps.push(() => socket.terminate());
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
    socket.once('open', () => resolve(101));
  });
}

describe('messages', () => {
  it('travel in order both ways, those of one turn in one frame', async () => {
    const { url, next } = await listen();
    const client = await dial(url);
    const server = await next();
    for (let n = 0; n < 50; n += 1) client.connection.send(working(`b${n}`));
    await until(() => server.messages.length === 50);
    expect(server.messages).toEqual(Array.from({ length: 50 }, (_, n) => working(`b${n}`)));

    const { frames, socket } = await bare(url);
    expect([socket.protocol, socket.extensions]).toEqual(['', '']);
    const bareEnd = await next();
    for (let n = 0; n < 50; n += 1) bareEnd.connection.send(goaway(`g${n}`));
    server.connection.send(goaway('other peer'));
    await until(() => frames.length > 0 && client.messages.length > 0);
    expect(frames.map((frame) => frame.isBinary)).toEqual([true]);
    bareEnd.connection.send(goaway('a later turn'));
    await until(() => frames.length === 2);
    expect(client.messages).toEqual([goaway('other peer')]);
  });

  it('are split where a frame would pass the limit; one larger than that goes alone', async () => {
    const { url, next } = await listen({ frameBytesMax: 2_048 });
    const { frames } = await bare(url);
    const server = await next();
    for (let n = 0; n < 5; n += 1) server.connection.send(goaway('x'.repeat(900)));
    server.connection.send(goaway('x'.repeat(3_000)));
    server.connection.send(goaway('x'));
    await until(() => frames.length === 5);
    const sizes = frames.map((frame) => Math.floor(frame.data.length / 100));
    expect(sizes).toEqual([18, 18, 9, 30, 0]);
  });

  it('are split where a frame would hold more of them than a peer takes', async () => {
    const { url, next } = await listen();
    const client = await dial(url);
    const server = await next();
    for (let n = 0; n < 10_000; n += 1) server.connection.send(goaway(''));
    await until(() => client.messages.length === 10_000);
  });

  it('are text for a peer that speaks text, one JSON map a line, and binary again when it does', async () => {
    const { url, next } = await listen();
    const { socket, frames } = await bare(url);
    const server = await next();
    socket.send(`${JSON.stringify(working('a'))}\n${JSON.stringify(working('b'))}`);
    await until(() => server.messages.length === 2);
    server.connection.send(goaway('one'));
    server.connection.send(goaway('zwei ü'));
    await until(() => frames.length === 1);
    expect(frames[0]?.isBinary).toBe(false);
    expect(
      frames[0]?.data
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([goaway('one'), goaway('zwei ü')]);
    const client = await dial(url);
    const other = await next();
    client.connection.send(working('c'));
    await until(() => other.messages.length === 1);
    other.connection.send(goaway('binary'));
    await until(() => client.messages.length === 1);
  });

  it('that break a rule are told to the handler, and the next one counts', async () => {
    const { url, next } = await listen();
    const { socket } = await bare(url);
    const server = await next();
    socket.send(`{"id":7}\n${JSON.stringify(working('a'))}`);
    await until(() => server.messages.length === 1);
    expect(server.problems).toMatchObject([{ code: 'INVALID_MESSAGE', id: 7 }]);
  });

  it('larger than the node takes are refused before they are sent, once the welcome has told', async () => {
    const { url, next } = await listen();
    const client = await dial(url);
    const server = await next();
    client.connection.send(working('x'.repeat(5_000)));
    server.connection.send(welcome);
    await until(() => client.messages.length === 1);
    expect(() => client.connection.send(working('x'.repeat(5_000)))).toThrow(RangeError);
  });
});

describe('a message too large for any frame', () => {
  it('goes without its results, or as an error, and the node that sends it does not fail', async () => {
    const problems: Error[] = [];
    const { url, next } = await listen({
      bufferedBytesMax: 400_000,
      frameBytesMax: 10_000,
      problem: (error) => problems.push(error),
    });
    const client = await dial(url);
    const server = await next();
    const big = 'x'.repeat(150_000);
    const outcome: FromNode = {
      type: 'outcome',
      id: 1,
      txid: txidOf(1),
      outcome: 'aborted',
      results: null,
      reason: { code: 'CONFLICT', message: 'stale', retryable: true },
    };
    const { connection } = server;
    // Larger than the limit told, smaller than what any peer takes: alone in its frame.
    connection.send({ ...outcome, results: { a: 'x'.repeat(50_000) } });
    connection.send({ ...outcome, id: 2, outcome: 'committed', results: { a: big } });
    connection.send({ ...outcome, id: 3, reason: { ...abortReason('CONFLICT'), detail: big } });
    connection.send({ type: 'forget', txids: Array.from({ length: 3_000 }, () => txidOf(1)) });
    expect(problems).toMatchObject([{ message: expect.stringContaining('forget') }]);
    connection.send({ type: 'info', id: 4, ...bigInfo(big) });
    await until(() => client.messages.length === 4);
    expect(client.messages).toMatchObject([
      { id: 1, results: { a: expect.stringMatching(/^x{50000}$/) } },
      { id: 2, outcome: 'committed', results: null },
      { id: 3, outcome: 'aborted', reason: { code: 'CONFLICT' } },
      { type: 'error', id: 4, code: 'TOO_LARGE' },
    ]);
  });
});

function bigInfo(text: string): Omit<Extract<FromNode, { type: 'info' }>, 'type' | 'id'> {
  return {
    node: 'a',
    cluster: 'c',
    version: text,
    uptimeMs: 1,
    ready: true,
    connections: 1,
    shards: [],
    participants: [],
  };
}

describe('the end of a connection', () => {
  it('is orderly: what was queued arrives, then the code and the reason', async () => {
    const { url, next } = await listen();
    const client = await dial(url);
    const server = await next();
    client.connection.send(working('last'));
    client.connection.close(1000, 'done');
    client.connection.send(working('too late'));
    expect(await server.closed).toEqual({ code: 1000, reason: 'done', kind: 'closed' });
    expect(await client.closed).toEqual({ code: 1000, reason: 'done', kind: 'closed' });
    expect(server.messages).toEqual([working('last')]);
  });

  it('cuts a close reason that is too long, at a whole character', async () => {
    const { url, next } = await listen();
    const client = await dial(url);
    const server = await next();
    client.connection.close(4000, 'ü'.repeat(100));
    expect((await server.closed).reason).toBe(`${'ü'.repeat(60)}…`);
  });

  it('is a reset without a close frame', async () => {
    const { url, next } = await listen();
    const client = await dial(url);
    const server = await next();
    client.connection.terminate();
    expect(await server.closed).toMatchObject({ code: 1006, kind: 'reset' });
    expect(await client.closed).toMatchObject({ code: 1006, kind: 'closed' });
  });

  it('is silence when pings go unanswered, seen from either side; a live peer keeps its own', async () => {
    const { url, next } = await listen({ heartbeatMs: 30 });
    await bare(url, { autoPong: false });
    const half = await next();
    const client = await dial(url, { heartbeatMs: 30 });
    const good = await next();
    const openedAtMs = good.connection.lastAnsweredPingSentAtMs();
    expect(await half.closed).toMatchObject({ code: 1006, kind: 'silent' });
    await until(() => good.connection.lastAnsweredPingSentAtMs() > openedAtMs);
    await until(() => client.connection.lastAnsweredPingSentAtMs() > openedAtMs + 60);
    client.connection.send(working('alive'));
    await until(() => good.messages.length === 1);
  });

  it('comes to a peer that does not read, and to no other', async () => {
    const { url, next } = await listen({ bufferedBytesMax: 300_000, frameBytesMax: 100_000 });
    const { socket } = await bare(url);
    const stuck = await next();
    const client = await dial(url);
    const good = await next();
    socket.pause();
    let over: CloseInfo | null = null;
    void stuck.closed.then((info) => {
      over = info;
    });
    for (let n = 0; n < 2_000 && over === null; n += 1) {
      stuck.connection.send(goaway('x'.repeat(70_000)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await stuck.closed).toMatchObject({ code: 1006, kind: 'failed' });
    expect(stuck.connection.bufferedBytes()).toBeLessThan(300_000);
    good.connection.send(goaway('well'));
    await until(() => client.messages.length === 1);
  });

  it('follows a frame that cannot be trusted, with an error first; other peers notice nothing', async () => {
    const { url, next } = await listen({ frameBytesMax: 10_000 });
    const client = await dial(url);
    const good = await next();
    for (const [frame, codes, told] of [
      [Buffer.from([0xc1, 0xc1]), [1002, 1003, 1007, 1008], true],
      ['{"type":', [1002, 1003, 1007, 1008], true],
      [Buffer.alloc(20_000), [1009], false],
    ] as const) {
      const { socket, frames, ended } = await bare(url);
      const bad = await next();
      socket.send(frame);
      expect(codes).toContain(await ended);
      expect(frames.length).toBe(told ? 1 : 0);
      expect(await bad.closed).toMatchObject({ kind: 'failed' });
      expect(bad.messages).toEqual([]);
    }
    // Not even WebSocket: an unmasked frame of a reserved kind.
    const raw = await rawSocket(url);
    raw.write(
      'GET /v1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    const broken = await next();
    raw.write(Buffer.from([0xf3, 0x02, 0x00, 0x00]));
    expect(await broken.closed).toMatchObject({ kind: 'failed' });
    client.connection.send(working('fine'));
    await until(() => good.messages.length === 1);
  });

  it('stops delivery at once, even inside a frame', async () => {
    const { url, ends } = await listen();
    const { socket } = await bare(url);
    await until(() => ends.length === 1);
    const server = ends[0] as ServerEnd;
    const seen: ToNode[] = [];
    (server.handler as { message: (message: ToNode) => void }).message = (message) => {
      seen.push(message);
      server.connection.terminate();
    };
    socket.send(`${JSON.stringify(working('a'))}\n${JSON.stringify(working('b'))}`);
    await server.closed;
    expect(seen).toEqual([working('a')]);
  });
});

async function rawSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  cleanUps.push(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

function textUntilEnd(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.once('close', () => resolve(text));
  });
}

describe('the door', () => {
  it('refuses other paths, other subprotocols, and pages of other sites', async () => {
    const { url, ends } = await listen({ origins: ['https://console.example'] });
    const host = new URL(url).host;
    expect(await statusOf(url.replace('/v1', '/v2'))).toBe(404);
    expect(await statusOf(url, { protocols: ['chat'] })).toBe(400);
    expect(await statusOf(url, { headers: { origin: 'https://evil.example' } })).toBe(403);
    expect(await statusOf(url, { headers: { origin: 'null' } })).toBe(403);
    // A page's own name, pointed at this machine.
    expect(
      await statusOf(url, { headers: { origin: 'http://evil.example', host: 'evil.example' } }),
    ).toBe(403);
    expect(ends).toHaveLength(0);
    expect(await statusOf(url, { headers: { origin: `http://${host}` } })).toBe(101);
    expect(await statusOf(url, { headers: { origin: 'https://console.example' } })).toBe(101);
    expect(await statusOf(`${url}?from=test`, { protocols: ['chat', 'verdict.v1'] })).toBe(101);
  });

  it('answers plain requests through the caller', async () => {
    const { listener } = await listen({
      http: (request, response) => response.end(`you asked for ${request.url}`),
    });
    const answer = await fetch(`http://${listener.address}/healthz`);
    expect(await answer.text()).toBe('you asked for /healthz');
    const bareDoor = await listen();
    expect((await fetch(`http://${bareDoor.listener.address}/healthz`)).status).toBe(404);
  });

  it('counts connections, in all and for each address, and gives a place back', async () => {
    const all = await listen({ connectionsMax: 2 });
    const first = await dial(all.url);
    await dial(all.url);
    await expect(dial(all.url)).rejects.toMatchObject({
      info: { kind: 'failed', reason: expect.stringContaining('503') },
    });
    first.connection.close(1000, 'room for another');
    await first.closed;
    await until(() => all.ends.length === 2);
    await dial(all.url);

    const each = await listen({ connectionsPerAddressMax: 1 });
    await dial(each.url);
    expect(await statusOf(each.url)).toBe(429);
  });

  it('drops those that dawdle over the handshake, or say nothing at all', async () => {
    const { url, next } = await listen({ handshakeTimeoutMs: 150 });
    const mute = await rawSocket(url);
    const slow = await rawSocket(url);
    slow.write('GET /v1 HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => slow.write('X-Slow: 1\r\n'), 20);
    cleanUps.push(() => clearInterval(drip));
    const [muteText, slowText] = await Promise.all([textUntilEnd(mute), textUntilEnd(slow)]);
    expect(slowText).toContain('408');
    expect(muteText === '' || muteText.includes('408')).toBe(true);
    const garbled = await rawSocket(url);
    garbled.write('\u0001\u0002 nonsense\r\n\r\n');
    expect(await textUntilEnd(garbled)).toContain('400');
    const client = await dial(url);
    const server = await next();
    client.connection.send(working('quick'));
    await until(() => server.messages.length === 1);
  });

  it('says what to do when it cannot listen', async () => {
    const { listener } = await listen();
    await expect(
      webSocketAcceptor({ clock: systemClock, port: listener.port }).listen(() => {
        throw new Error('unreachable');
      }),
    ).rejects.toThrow(/in use/);
  });

  it('closes its connections when it stops, also those that never answer, and then nobody listens', async () => {
    const { url, listener, next } = await listen();
    const client = await dial(url);
    await next();
    const { socket } = await bare(url);
    const stuck = await next();
    socket.pause();
    await rawSocket(url);
    await listener.close();
    expect(await client.closed).toMatchObject({ code: 1001, kind: 'closed' });
    expect(await stuck.closed).toMatchObject({ code: 1001 });
    await expect(dial(url)).rejects.toMatchObject({ info: { kind: 'refused', code: 1006 } });
  });
});

describe('dialling', () => {
  it('gives up after its time-out', async () => {
    const server: Server = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUps.push(() => server.close());
    const { port } = server.address() as { port: number };
    await expect(dial(`ws://127.0.0.1:${port}/v1`, { timeoutMs: 50 })).rejects.toMatchObject({
      info: { kind: 'silent' },
    });
  });

  it('reports a bad address later, not by throwing', async () => {
    await expect(dial('ws://')).rejects.toMatchObject({ info: { kind: 'failed' } });
  });

  it('says nothing after it was cancelled', async () => {
    const { url } = await listen();
    let heard = 0;
    const events = {
      opened: () => {
        heard += 1;
        throw new Error('unreachable');
      },
      failed: () => {
        heard += 1;
      },
    };
    const dialer = webSocketDialer({ clock: systemClock });
    dialer.connect({ url, timeoutMs: 1_000, heartbeatMs: 1_000 }, events).cancel();
    dialer.connect({ url: 'ws://', timeoutMs: 1_000, heartbeatMs: 1_000 }, events).cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(heard).toBe(0);
  });
});
