/**
 * What a stranger can make a listener read before it has said who it is, and to whom a token is
 * shown.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Authenticator, type AuthenticatorOptions } from '../../../src/access/authenticator.ts';
import type { ToNode } from '../../../src/core/messages.ts';
import type { CloseInfo, Connection, Credential } from '../../../src/ports/transport.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { challengeHeader, keyIdOf, newNonce } from '../../../src/system/token-proof.ts';
import { webSocketDialer } from '../../../src/transport/websocket/connect.ts';
import { readers } from '../../../src/wire/readers.ts';
import { wireFrame } from '../../support/network/hand-made-frames.ts';
import {
  bare,
  cleanUp,
  cleanUps,
  listen,
  rawSocket,
  statusOf,
  until,
} from '../../support/network/websocket-rig.ts';

afterEach(cleanUp);

const token = 'open-sesame';
const who = { identity: null, expiresAtMs: null };
const nodeUrl = 'ws://a.example:7070/v1';

describe('a token', () => {
  const access = new Authenticator({ token, file: null, jwt: null, url: () => nodeUrl });
  const dialWith = (url: string, credential: Credential): Promise<CloseInfo | Connection<ToNode>> =>
    new Promise((resolve) => {
      webSocketDialer({ clock: systemClock, readers: readers['from-node'] }).connect(
        { url, timeoutMs: 5_000, heartbeatMs: 5_000, credential },
        {
          failed: resolve,
          opened: (connection) => {
            cleanUps.push(() => connection.terminate());
            resolve(connection);
            return { message: () => undefined, invalid: () => undefined, closed: () => undefined };
          },
        },
      );
    });

  it('is proved on both sides, and not sent', async () => {
    const shown: (string | null)[] = [];
    const { url, next } = await listen({
      authenticate: (peer) => {
        shown.push(peer.authorization);
        return access.authenticate(peer);
      },
    });
    const dialled = await dialWith(url, { token, given: true });
    const { connection } = await next();
    if (!('send' in dialled)) throw new Error(dialled.reason);
    expect(connection.check?.(dialled.proof ?? '')).toMatchObject(who);
    expect(connection.check?.(`${dialled.proof}x`)).toBeNull();
    expect(JSON.stringify([shown, dialled.proof])).not.toContain(token);
  });

  it.each<[string, Partial<AuthenticatorOptions>]>([
    ['knows another', { token: 'another' }],
    ['has none', { token: null }],
  ])('is not proved to a node that %s, which is told as the reason', async (_name, other) => {
    const stranger = new Authenticator({ token, file: null, jwt: null, url: () => '', ...other });
    const { url } = await listen({ authenticate: (peer) => stranger.authenticate(peer) });
    const info = await dialWith(url, { token, given: true });
    expect(info).toMatchObject({ kind: 'failed', status: 401 });
  });

  it('is not proved by a node that only passes on what another says', async () => {
    const proofs = await access.authenticate({
      address: '::1',
      certificate: null,
      authorization: challengeHeader({ keyId: keyIdOf(token), nonce: newNonce() }),
      private: false,
    });
    // Of another connection; and an advertised address must be the node's own.
    const { url } = await listen({ authenticate: () => proofs });
    expect(await dialWith(url, { token, given: true })).toMatchObject({
      said: expect.stringMatching(/did not prove/),
    });
    const relay = await listen({ authenticate: (peer) => access.authenticate(peer) });
    const info = await dialWith(relay.url, { token, given: false });
    expect(info).toMatchObject({ status: 401, said: expect.stringMatching(/did not prove/) });
  });

  it('that is wrong is refused before the upgrade; without one the hello may bring it', async () => {
    const { url, ends, next } = await listen({
      authenticate: ({ authorization }) => {
        if (authorization === null) return { status: 'absent' };
        return authorization === 'Bearer right'
          ? { status: 'right', who }
          : { status: 'wrong', why: 'The token is wrong.' };
      },
    });
    expect(await statusOf(url, { headers: { authorization: 'Bearer wrong' } })).toBe(401);
    expect(ends).toHaveLength(0);
    await bare(url);
    expect((await next()).connection.authenticated).toBe(null);
    await bare(url, { headers: { authorization: 'Bearer right' } });
    expect((await next()).connection.authenticated).toEqual(who);
  });

  it('that was refused is told to whoever dialled with it', async () => {
    const { url } = await listen({
      authenticate: () => ({ status: 'wrong', why: 'The token is wrong.' }),
    });
    const info = await new Promise((resolve, reject) => {
      webSocketDialer({ clock: systemClock, readers: readers['from-node'] }).connect(
        { url, timeoutMs: 5_000, heartbeatMs: 5_000, credential: { token, given: true } },
        { opened: () => reject(new Error('It was let in.')) as never, failed: resolve },
      );
    });
    expect(info).toMatchObject({ kind: 'failed', status: 401 });
  });

  it('does not follow where a node sends it', async () => {
    const heard: unknown[] = [];
    const thief = createServer((request, response) => {
      heard.push(request.headers.authorization);
      response.end();
    }).listen(0, '127.0.0.1');
    await until(() => thief.listening);
    const { port } = thief.address() as AddressInfo;
    const sender = createServer((_request, response) => {
      response.writeHead(302, { location: `ws://127.0.0.1:${port}/v1` }).end();
    }).listen(0, '127.0.0.1');
    await until(() => sender.listening);
    cleanUps.push(
      () => thief.close(),
      () => sender.close(),
    );
    const info = await new Promise((resolve) => {
      webSocketDialer({ clock: systemClock, readers: readers['from-node'] }).connect(
        {
          url: `ws://127.0.0.1:${(sender.address() as AddressInfo).port}/v1`,
          timeoutMs: 5_000,
          heartbeatMs: 5_000,
          credential: { token, given: true },
        },
        { opened: () => resolve('opened') as never, failed: resolve },
      );
    });
    expect(info).toMatchObject({ kind: 'failed', status: 302 });
    expect(heard).toEqual([]);
  });
});

describe('before hello', () => {
  const large = JSON.stringify({ type: 'begin', id: 1, x: 'y'.repeat(10_000) });

  it('a message of more than 4 KiB is not decoded, and ends the connection', async () => {
    const { url, next } = await listen({ strangers: true });
    const { socket, frames, ended } = await bare(url);
    const server = await next();
    socket.send(large);
    expect(await ended).toBe(1009);
    expect(JSON.parse(String(frames[0]?.data))).toMatchObject({ type: 'error', code: 'TOO_LARGE' });
    expect(server.messages).toEqual([]);
    expect(server.problems).toEqual([]);
  });

  it.each([
    ['one that is announced', wireFrame(0x82, Buffer.alloc(5_000), 1_000_000)],
    ['one in pieces', Buffer.concat(Array(1_000).fill(wireFrame(0x02, Buffer.alloc(0))))],
  ])('so does a part of %s', async (_name, bytes) => {
    const { url, next } = await listen({ strangers: true });
    const { socket } = await bare(url);
    const server = await next();
    (socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(bytes);
    expect(await server.closed).toMatchObject({ code: expect.any(Number), kind: 'failed' });
  });

  it('pings do not count, however many, as long as their answers are waited for', async () => {
    const { url, next } = await listen({ strangers: true });
    const { socket } = await bare(url);
    const server = await next();
    let pongs = 0;
    socket.on('pong', () => {
      pongs += 1;
    });
    // 5 KB each, and fewer than the answers that may be owed: how the system cuts them is all the
    // same.
    const pings = Buffer.concat(Array(50).fill(wireFrame(0x89, Buffer.alloc(100))));
    for (const answered of [50, 100, 150, 200]) {
      (socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(pings);
      await until(() => pongs === answered);
    }
    socket.send(
      '{"type":"working","txid":"0.00000000000000001.000000001.fffffffffffff","branch":"b"}',
    );
    await until(() => server.messages.length === 1);
  });

  it('more than 60 of them that come at once end the connection', async () => {
    const { url, next } = await listen({ strangers: true });
    const { socket, ended } = await bare(url);
    const server = await next();
    const pings = Buffer.concat(Array(1_000).fill(wireFrame(0x89, Buffer.alloc(0))));
    (socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(pings);
    expect(await ended).toBe(1006);
    await server.closed;
  });

  it('afterwards the limit is that of any frame', async () => {
    const { url, next } = await listen({ strangers: true });
    const { socket } = await bare(url);
    const server = await next();
    server.connection.greeted?.();
    socket.send(large);
    await until(() => server.messages.length === 1);
  });
});

it('a header that never ends is not waited for', async () => {
  const { url } = await listen({ handshakeTimeoutMs: 200 });
  const socket = await rawSocket(url);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.write(`GET /v1 HTTP/1.1\r\nAuthorization: Bearer ${'x'.repeat(10_000)}`);
  socket.resume();
  await closed;
});
