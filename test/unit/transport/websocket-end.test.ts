import { afterEach, describe, expect, it } from 'vitest';
import type { ToNode } from '../../../src/core/messages.ts';
import type { CloseInfo } from '../../../src/ports/transport.ts';
import { systemClock } from '../../../src/system/clock.ts';
import {
  bare,
  cleanUp,
  dial,
  goaway,
  listen,
  rawSocket,
  type ServerEnd,
  until,
  working,
} from '../../support/network/websocket-rig.ts';

afterEach(cleanUp);

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
    const opened = systemClock.monotonicMs();
    const answeredAfter = (connection: { answeredPingAgeMs(): number }): number =>
      systemClock.monotonicMs() - connection.answeredPingAgeMs() - opened;
    expect(await half.closed).toMatchObject({ code: 1006, kind: 'silent' });
    await until(() => answeredAfter(good.connection) > 1);
    await until(() => answeredAfter(client.connection) > 60);
    client.connection.send(working('alive'));
    await until(() => good.messages.length === 1);
  });

  it('comes to a peer that does not read, and to no other', async () => {
    const { url, next } = await listen({ maxBufferedBytes: 300_000, maxFrameBytes: 100_000 });
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
    const { url, next } = await listen({ maxFrameBytes: 10_000 });
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
