import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/system/clock.ts';
import { webSocketDialer } from '../../../src/transport/websocket/connect.ts';
import { webSocketAcceptor } from '../../../src/transport/websocket/listen.ts';
import { readers } from '../../../src/wire/readers.ts';
import {
  bare,
  cleanUp,
  cleanUps,
  dial,
  listen,
  rawSocket,
  statusOf,
  textUntilEnd,
  until,
  working,
} from '../../support/network/websocket-rig.ts';

afterEach(cleanUp);

describe('the door', () => {
  it('refuses other paths, other subprotocols, and pages of other sites', async () => {
    const { url, ends } = await listen({ origins: ['https://console.example'] });
    const host = new URL(url).host;
    expect(await statusOf(url.replace('/v1', '/v2'))).toBe(404);
    expect(await statusOf(url, { protocols: ['chat'] })).toBe(400);
    // What stood in a body would be read as frames.
    expect(await statusOf(url, { headers: { 'content-length': '5' } })).toBe(400);
    expect(await statusOf(url, { headers: { 'transfer-encoding': 'chunked' } })).toBe(400);
    expect(await statusOf(url, { headers: { origin: 'https://evil.example' } })).toBe(403);
    expect(await statusOf(url, { headers: { origin: 'null' } })).toBe(403);
    // A page's own name, pointed at this machine.
    expect(
      await statusOf(url, { headers: { origin: 'http://evil.example', host: 'evil.example' } }),
    ).toBe(403);
    expect(ends).toHaveLength(0);
    expect(await statusOf(url, { headers: { origin: `http://${host}` } })).toBe(101);
    expect(await statusOf(url, { headers: { 'content-length': '0' } })).toBe(101);
    expect(await statusOf(url, { headers: { origin: 'https://console.example' } })).toBe(101);
    expect(await statusOf(`${url}?from=test`, { protocols: ['chat', 'verdict.v1'] })).toBe(101);
  });

  it("lets in the page of this very node alone, by names that are the node's", async () => {
    const { url } = await listen({ hostNames: () => ['node.example', '*.wild.example'] });
    const { port } = new URL(url);
    const status = (origin: string, host: string): Promise<number> =>
      statusOf(url, { headers: { origin, host } });
    expect(await status(`http://node.example:${port}`, `node.example:${port}`)).toBe(101);
    expect(await status('https://node.example', 'node.example')).toBe(101);
    expect(await status(`http://a.wild.example:${port}`, `a.wild.example:${port}`)).toBe(101);
    expect(await status(`http://localhost:${port}`, `localhost:${port}`)).toBe(101);
    expect(await status(`http://[::1]:${port}`, `[::1]:${port}`)).toBe(101);
    // Another page of the same host, of the same site, and one whose name was pointed here.
    expect(await status('http://node.example:1', `node.example:${port}`)).toBe(403);
    expect(await status('http://localhost:1', `localhost:${port}`)).toBe(403);
    expect(await status('http://wild.example', 'wild.example')).toBe(403);
    expect(await status('http://a.b.wild.example', 'a.b.wild.example')).toBe(403);
    expect(await status('http://rebound.example', 'rebound.example')).toBe(403);
    expect(await status('http://node.example.evil.example', 'node.example.evil.example')).toBe(403);
    expect(await status('null', `node.example:${port}`)).toBe(403);
  });

  it('answers plain requests through the caller', async () => {
    const { listener, url } = await listen({
      http: (request, response) => response.end(`you asked for ${request.url}`),
    });
    const answer = await fetch(`http://${listener.address}/healthz`);
    expect(await answer.text()).toBe('you asked for /healthz');
    // As Java's client asks.
    const java = await rawSocket(url);
    java.write(
      'GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n\r\n',
    );
    expect(await textUntilEnd(java)).toContain('you asked for /readyz');
    const bareDoor = await listen();
    expect((await fetch(`http://${bareDoor.listener.address}/healthz`)).status).toBe(404);
  });

  it('tells who came with a broken handshake by the address that a trusted proxy forwards', async () => {
    const refused: unknown[] = [];
    const { url } = await listen({
      trustedProxies: ['127.0.0.1'],
      refused: ({ address, status }) => refused.push({ address, status }),
    });
    for (const broken of ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: short']) {
      const socket = await rawSocket(url);
      socket.write(
        `GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: verdict.v1\r\nX-Forwarded-For: 198.51.100.1\r\n${broken}\r\n\r\n`,
      );
      expect(await textUntilEnd(socket)).toContain('Sec-WebSocket-Key');
    }
    expect(refused).toEqual(Array(2).fill({ address: '198.51.100.1', status: 400 }));
  });

  it('counts connections, in all and for each address, and gives a place back', async () => {
    const all = await listen({ maxConnections: 2 });
    const first = await dial(all.url);
    await dial(all.url);
    await expect(dial(all.url)).rejects.toMatchObject({
      info: { kind: 'failed', reason: expect.stringContaining('503') },
    });
    first.connection.close(1000, 'room for another');
    await first.closed;
    await until(() => all.ends.length === 2);
    await dial(all.url);

    const each = await listen({ maxConnectionsPerAddress: 1 });
    await dial(each.url);
    expect(await statusOf(each.url)).toBe(429);
  });

  it('drops those that dawdle over the handshake, or say nothing at all', async () => {
    const { url, next } = await listen({ handshakeTimeoutMs: 1_500 });
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

  it('closes its connections when it stops, also those that never answer, and then no one listens', async () => {
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
    const dialer = webSocketDialer({ clock: systemClock, readers: readers['from-node'] });
    dialer.connect({ url, timeoutMs: 1_000, heartbeatMs: 1_000 }, events).cancel();
    dialer.connect({ url: 'ws://', timeoutMs: 1_000, heartbeatMs: 1_000 }, events).cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(heard).toBe(0);
  });
});
