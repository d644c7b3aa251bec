/** What costs and brings nothing: as many as a legitimate peer ever needs, and no more. */
import { afterEach, describe, expect, it } from 'vitest';
import type { WebSocket } from 'ws';
import { IdleFrames } from '../../../src/transport/websocket/idle-frames.ts';
import { upgradeRequest, wireFrame } from '../../support/network/hand-made-frames.ts';
import { bare, cleanUp, listen, rawSocket, until } from '../../support/network/websocket-rig.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

afterEach(cleanUp);

function write(socket: WebSocket, bytes: Buffer): void {
  (socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(bytes);
}

const idle: readonly [string, Buffer][] = [
  ['pongs that answer no ping', wireFrame(0x8a, Buffer.alloc(4))],
  ['empty binary messages', wireFrame(0x82, Buffer.alloc(0))],
  ['empty text messages', wireFrame(0x81, Buffer.alloc(0))],
  ['text messages of blank lines', wireFrame(0x81, Buffer.from('\n \n'))],
];

describe('frames that bring nothing', () => {
  it.each([true, false])('end the connection (before hello: %s)', async (strangers) => {
    const { url, next } = await listen({ strangers });
    const peers = [];
    for (const [what, frame] of idle) {
      peers.push({ what, frame, ...(await bare(url)), server: await next() });
    }
    for (const { socket, frame } of peers) write(socket, Buffer.concat(Array(2_000).fill(frame)));
    for (const { what, ended, server, frames } of peers) {
      expect([what, await ended]).toEqual([what, 1008]);
      expect(await server.closed).toMatchObject({ code: 1008, kind: 'failed' });
      expect(String(frames[0]?.data)).toContain('LIMIT_EXCEEDED');
      expect(server.messages).toEqual([]);
    }
  });

  it('do no harm in the number that a peer may need', async () => {
    const { url, next } = await listen();
    const { socket } = await bare(url);
    const server = await next();
    for (const [, frame] of idle) write(socket, Buffer.concat(Array(200).fill(frame)));
    socket.send(
      '{"type":"working","txid":"0.00000000000000001.000000001.fffffffffffff","branch":"b"}',
    );
    await until(() => server.messages.length === 1);
  });

  it('come again as time goes by', () => {
    const clock = new ManualClock();
    const frames = new IdleFrames(clock);
    const taken = (): number => {
      let count = 0;
      while (frames.take()) count += 1;
      return count;
    };
    expect(taken()).toBe(1_000);
    clock.jump(500);
    expect(taken()).toBe(100);
    clock.jump(3_600_000);
    expect(taken()).toBe(1_000);
  });
});

describe('after the end', () => {
  it.each([
    ['in small frames', wireFrame(0x82, Buffer.from([0x80]))],
    ['in large ones', wireFrame(0x82, Buffer.alloc(60_000))],
  ])('no more is read than may have been on its way, %s', async (_name, frame) => {
    const { url, next } = await listen();
    const socket = await rawSocket(url);
    socket.write(upgradeRequest(new URL(url).host));
    const server = await next();
    socket.resume();
    server.connection.close(1000, 'done');
    const piece = Buffer.concat(Array(Math.ceil(1_000_000 / frame.length)).fill(frame));
    let taken = 0;
    const more = (): void => {
      socket.write(piece, (error) => {
        if (error !== undefined && error !== null) return;
        taken += piece.length;
        more();
      });
    };
    more();
    await server.closed;
    // Most of it the systems' buffers hold.
    expect(taken).toBeLessThan(24_000_000);
  });
});
