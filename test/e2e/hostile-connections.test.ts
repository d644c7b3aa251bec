/** Frames, handshakes and connections that no honest peer makes, against a node at work. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { connect as dial, type Socket } from 'node:net';
import { pack } from 'msgpackr';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { besides } from '../support/clients/good-company.ts';
import { upgradeRequest, wireFrame } from '../support/network/hand-made-frames.ts';
import { RawPeer } from '../support/network/raw-peer.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { eventually, pause, within } from '../support/process/child.ts';

const handshakeTimeoutMs = 1_000;
const maxConnectionsPerAddress = 150;
const megabyte = 1_048_576;

let cluster: Cluster;
let client: Client;
let baseKilobytes = 0;

beforeAll(async () => {
  cluster = await Cluster.started({
    participants: ['a', 'b'],
    options: { handshakeTimeoutMs, maxConnectionsPerAddress, heartbeatMs: 500 },
  });
  client = await cluster.client();
  for (let index = 0; index < 20; index += 1) {
    await cluster.history.transact(client, { a: {}, b: {} });
  }
  baseKilobytes = residentKilobytes();
});

afterAll(async () => {
  expect(await cluster.settled()).toEqual([]);
  expect(cluster.node.alarms()).toEqual([]);
  await cluster.remove();
});

function residentKilobytes(): number {
  const { pid } = cluster.node.child;
  return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }));
}

/** A bare TCP connection to the node. */
async function tcp(): Promise<{ socket: Socket; heard: () => string; ended: Promise<void> }> {
  const socket = dial(cluster.node.port, '127.0.0.1');
  let heard = '';
  socket.on('data', (bytes: Buffer) => {
    heard += bytes.toString('latin1');
  });
  socket.on('error', () => undefined);
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, heard: () => heard, ended };
}

/** Upgraded, with the socket in the test's own hands: for frames that no library makes. */
async function upgraded(): ReturnType<typeof tcp> {
  const connection = await tcp();
  connection.socket.write(upgradeRequest(cluster.node.url));
  await eventually(
    () => (connection.heard().includes('101 Switching') ? true : null),
    () => 'the upgrade',
  );
  return connection;
}

const hello = { type: 'hello', protocol: 1, name: 'm', instance: 'm', roles: ['client'] };

function nested(depth: number, open: string, close: string): string {
  return open.repeat(depth) + close.repeat(depth);
}

/** Each is one binary or text message of a peer that was welcomed. */
const frames: readonly [string, Buffer | string][] = [
  ['random bytes', randomBytes(10_000)],
  ['an empty frame', Buffer.alloc(0)],
  ['a truncated message', Buffer.from(pack({ type: 'begin', id: 1 })).subarray(0, -2)],
  [
    'a message and half of another',
    Buffer.concat([pack({ type: 'info', id: 1 }), Buffer.from([0x82, 0xa4])]),
  ],
  ['no map', Buffer.from(pack([1, 2, 3]))],
  ['a number', Buffer.from(pack(7))],
  ['an extension type', Buffer.from([0x81, 0xa4, 0x74, 0x79, 0x70, 0x65, 0xd4, 0x01, 0x02])],
  ['a timestamp', Buffer.from([0x81, 0xa1, 0x61, 0xd6, 0xff, 0, 0, 0, 0])],
  ['an array that claims 4 billion entries', Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff])],
  ['a map that claims 4 billion entries', Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff])],
  ['a text that claims 4 GiB', Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff, 0x61])],
  ['bytes that claim 4 GiB', Buffer.from([0xc6, 0xff, 0xff, 0xff, 0xff, 0x61])],
  ['a million nested arrays', Buffer.alloc(1_000_000, 0x91)],
  [
    'a million nested maps',
    Buffer.concat(Array.from({ length: 300_000 }, () => Buffer.from([0x81, 0xa1, 0x61]))),
  ],
  ['a million empty maps', Buffer.alloc(1_000_000, 0x80)],
  ['a million nulls', Buffer.alloc(1_000_000, 0xc0)],
  [
    '__proto__ as a key',
    JSON.stringify({ type: 'begin', id: 1, labels: {} }).replace('{}', '{"__proto__":"x"}'),
  ],
  ['__proto__ as a message', '{"__proto__":{"type":"begin"},"id":1}'],
  [
    'constructor and prototype',
    '{"type":"begin","id":1,"labels":{"constructor":"x","prototype":"y"}}',
  ],
  ['a type like a method', '{"type":"toString","id":1}'],
  ['a type like __proto__', '{"type":"__proto__","id":1}'],
  ['text junk', 'GET / HTTP/1.1\r\n\r\n'],
  ['no JSON', '{"type":'],
  ['a million nested arrays in JSON', nested(500_000, '[', ']')],
  ['a million nested maps in JSON', nested(150_000, '{"a":', '}')],
  ['a million empty lines', '\n'.repeat(1_000_000)],
  ['a number beyond all', `{"type":"begin","id":1${'0'.repeat(400)}}`],
  ['half of a surrogate pair', '{"type":"begin","id":1,"labels":{"a":"\\ud800"}}'],
  ['a message of the other direction', '{"type":"prepare","id":1}'],
];

describe('a hostile frame', () => {
  it.each(frames)('%s: an error or a close, and no one else is touched', async (_name, frame) => {
    const bad = await besides(cluster, client, async () => {
      const peer = await RawPeer.open(cluster.node.url);
      peer.send(hello);
      await peer.next('welcome');
      peer.sendFrame(frame);
      peer.send({ type: 'begin', id: 77 });
      // Whatever it makes of the frame, it comes to an answer.
      await eventually(
        () =>
          peer.isClosed || peer.received.some((each) => 'id' in each && each.id === 77)
            ? true
            : null,
        () => `an end of ${_name}`,
      );
      await peer.close();
    });
    expect(bad).toEqual([]);
    expect(({} as { type?: unknown }).type).toBeUndefined();
  });

  it('in pieces: each piece too small to notice, the whole over the limit', async () => {
    const bad = await besides(cluster, client, async () => {
      const { socket, ended } = await upgraded();
      socket.write(wireFrame(0x02, Buffer.alloc(1_000)));
      for (let sent = 0; sent < 2 * megabyte && !socket.destroyed; sent += 50_000) {
        socket.write(wireFrame(0x00, Buffer.alloc(50_000)));
        await pause(1);
      }
      await within(ended, 'the close');
    });
    expect(bad).toEqual([]);
  });

  it('in a hundred thousand empty pieces', async () => {
    const bad = await besides(cluster, client, async () => {
      const { socket, ended } = await upgraded();
      socket.write(wireFrame(0x02, Buffer.alloc(0)));
      const piece = wireFrame(0x00, Buffer.alloc(0));
      for (let index = 0; index < 20 && !socket.destroyed; index += 1) {
        socket.write(Buffer.concat(Array.from({ length: 5_000 }, () => piece)));
        await pause(5);
      }
      // No hello comes of it: the connection ends by its time-out at the latest.
      await within(ended, 'the close');
    });
    expect(bad).toEqual([]);
  });

  it.each<[string, () => Buffer]>([
    ['that declares 200 MB', () => wireFrame(0x82, Buffer.alloc(100), 200 * megabyte)],
    ['that declares 2^63 bytes', () => wireFrame(0x82, Buffer.alloc(100), Number.MAX_SAFE_INTEGER)],
    ['with reserved bits', () => wireFrame(0xf2, Buffer.alloc(10))],
    ['with an unknown opcode', () => wireFrame(0x83, Buffer.alloc(10))],
    ['that is not masked', () => Buffer.from([0x82, 0x03, 1, 2, 3])],
    ['that continues nothing', () => wireFrame(0x80, Buffer.alloc(10))],
    ['of invalid UTF-8', () => wireFrame(0x81, Buffer.from([0xc3, 0x28]))],
    ['of a too long ping', () => wireFrame(0x89, Buffer.alloc(126))],
    ['of raw noise', () => randomBytes(100_000)],
  ])('%s ends its connection', async (_name, frame) => {
    const bad = await besides(cluster, client, async () => {
      const { socket, ended } = await upgraded();
      socket.write(frame());
      await within(ended, 'the close');
    });
    expect(bad).toEqual([]);
  });

  it('a flood of pings, not one answer read', async () => {
    const bad = await besides(cluster, client, async () => {
      const { socket } = await upgraded();
      socket.pause();
      const ping = wireFrame(0x89, Buffer.alloc(125));
      const many = Buffer.concat(Array.from({ length: 1_000 }, () => ping));
      for (let index = 0; index < 100 && !socket.destroyed; index += 1) {
        socket.write(many);
        await pause(2);
      }
      socket.destroy();
    });
    expect(bad).toEqual([]);
  });

  it('a flood of requests, not one reply read', async () => {
    const bad = await besides(cluster, client, async () => {
      const peer = await RawPeer.greeted(cluster.node.url, { name: 'm', roles: ['operator'] });
      peer.socket.pause();
      for (let index = 0; index < 200 && !peer.isClosed; index += 1) {
        peer.send(
          ...Array.from({ length: 100 }, (_each, id) => ({ type: 'list', id, limit: 1_000 })),
        );
        await pause(1);
      }
      peer.socket.terminate();
    });
    expect(bad).toEqual([]);
  });
});

describe('a hostile handshake', () => {
  it.each<[string, Parameters<typeof RawPeer.open>[1]]>([
    ['another subprotocol', { protocols: ['chat'] }],
    ['another version of the subprotocol', { protocols: ['verdict.v2'] }],
    ['a page of another site', { headers: { origin: 'https://evil.example' } }],
    [
      'a page that rebinds its name',
      { headers: { origin: 'http://evil.example:7070', host: 'evil.example:7070' } },
    ],
    ['a sandboxed page', { headers: { origin: 'null' } }],
    ['another path', { path: '/admin' }],
    ['two slashes', { path: '//' }],
  ])('of %s is refused', async (_name, options) => {
    const bad = await besides(cluster, client, async () => {
      await expect(RawPeer.open(cluster.node.url, options)).rejects.toThrow(/4\d\d/);
    });
    expect(bad).toEqual([]);
  });

  it('that takes its time is cut off: one byte at a time, and nothing at all', async () => {
    const bad = await besides(cluster, client, async () => {
      const connections = await Promise.all(Array.from({ length: 20 }, () => tcp()));
      const text = upgradeRequest(cluster.node.url);
      let ended = 0;
      for (const { ended: end } of connections) void end.then(() => (ended += 1));
      for (let index = 0; ended < connections.length; index += 1) {
        if (index > 200) throw new Error(`${connections.length - ended} of them are still open`);
        // Half of them say nothing.
        for (const { socket } of connections.slice(10)) {
          if (!socket.destroyed) socket.write(text[index % 50] ?? 'x');
        }
        await pause(100);
      }
    });
    expect(bad).toEqual([]);
  });

  it.each([
    'GET // HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET /\\evil HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n',
    'GET http://a:b:c/ HTTP/1.1\r\nHost: x\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    'CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n',
    'POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n',
    'GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n',
    'GET /v1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
    'GET // HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    `GET /healthz HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
    'GET /v1 HTTP/0.9\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    '\r\n\r\n\r\n',
  ])('of HTTP junk: %j', async (junk) => {
    const bad = await besides(cluster, client, async () => {
      const { socket, heard, ended } = await tcp();
      socket.write(junk, 'latin1');
      await Promise.race([ended, pause(handshakeTimeoutMs / 2)]);
      expect(heard()).not.toContain('101 Switching');
      socket.destroy();
    });
    expect(bad).toEqual([]);
  });
});

describe('a hostile peer', () => {
  it('that never says hello is closed', async () => {
    const bad = await besides(cluster, client, async () => {
      const peer = await RawPeer.open(cluster.node.url);
      expect((await peer.closed).code).toBe(1008);
      expect(peer.received).toMatchObject([{ type: 'error', code: 'UNAUTHENTICATED' }]);
    });
    expect(bad).toEqual([]);
  });

  it('that speaks before hello is closed', async () => {
    const bad = await besides(cluster, client, async () => {
      const peer = await RawPeer.open(cluster.node.url);
      peer.send({ type: 'begin', id: 1 });
      expect((await peer.closed).code).toBe(1008);
      expect(peer.received).toMatchObject([{ type: 'error', code: 'UNAUTHENTICATED' }]);
    });
    expect(bad).toEqual([]);
  });

  it('that says hello twice, or as somebody else, stays who it is', async () => {
    const bad = await besides(cluster, client, async () => {
      const peer = await RawPeer.greeted(cluster.node.url, { name: 'm', roles: ['client'] });
      peer.send({ ...hello, name: 'a', roles: ['participant', 'operator'] });
      expect((await peer.next('error')).code).toBe('INVALID_MESSAGE');
      expect(await peer.ask({ type: 'recover', id: 5 })).toMatchObject({ code: 'FORBIDDEN' });
      await peer.close();
    });
    expect(bad).toEqual([]);
  });

  it.each([0, 2, 65_535])('of protocol version %i is told so', async (protocol) => {
    const bad = await besides(cluster, client, async () => {
      const peer = await RawPeer.open(cluster.node.url);
      peer.send({ ...hello, protocol });
      expect((await peer.next('error')).code).toBe('UNSUPPORTED_VERSION');
      await peer.closed;
    });
    expect(bad).toEqual([]);
  });

  it('that comes hundreds of times at once is held to its share', async () => {
    const bad = await besides(cluster, client, async () => {
      const opened = await Promise.allSettled(
        Array.from({ length: 400 }, () => RawPeer.open(cluster.node.url)),
      );
      const standing = opened.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
      expect(standing.length).toBeGreaterThan(0);
      expect(standing.length).toBeLessThanOrEqual(maxConnectionsPerAddress);
      await Promise.all(standing.map((peer) => peer.close()));
    });
    expect(bad).toEqual([]);
    // There is room again.
    const peer = await eventually(
      () => RawPeer.open(cluster.node.url).catch(() => null),
      () => 'room for one more',
    );
    await peer.close();
  });

  it('that comes and goes a thousand times leaves nothing behind', async () => {
    const operator = await cluster.operator();
    const bad = await besides(cluster, client, async () => {
      for (let round = 0; round < 20; round += 1) {
        const peers = await Promise.all(
          Array.from({ length: 50 }, (_each, index) =>
            RawPeer.participant(cluster.node.url, `m${index}`).catch(() => null),
          ),
        );
        for (const peer of peers) peer?.socket.terminate();
      }
    });
    expect(bad).toEqual([]);
    let id = 0;
    await eventually(
      async () => {
        id += 1;
        const info = await operator.ask({ type: 'info', id });
        if (info.type !== 'info' || !('participants' in info)) return null;
        // a, b, the client and the operator.
        return info.participants.length === 2 && info.connections === 4 ? true : null;
      },
      () => 'the node to let go of them',
    );
    await operator.close();
  });

  it('leaves the node’s memory about where it was', async () => {
    await eventually(
      () => (residentKilobytes() < baseKilobytes + 150 * 1_024 ? true : null),
      () => `memory to come down: ${baseKilobytes} KiB before, ${residentKilobytes()} KiB now`,
    );
  });
});
