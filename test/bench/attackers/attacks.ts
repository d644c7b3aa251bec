/** What hostile programs do. Each goes on until its process is ended, and counts what it did. */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { pack } from 'msgpackr';
import type { WebSocket } from 'ws';
import {
  again,
  bareSocket,
  flood,
  hello,
  openSocket,
  peer,
  upgradeRequest,
  webSocket,
} from './sockets.ts';
import type { As, Target } from './target.ts';

export interface Attack {
  readonly name: string;
  /** Needs to be let in, or speaks TLS: it is tried with TLS alone. */
  readonly onlyWithTls?: boolean;
  run(target: Target, count: () => void): Promise<unknown>;
}

const silentSockets = 2_000;
const atOnce = 50;
const stormConnections = 500;
const floodingPeers = 4;
/** Frames of one write. */
const batch = 200;

/** Holds so many sockets open, each with that beginning, and opens another for each that goes. */
async function hold(target: Target, begin: Buffer | string, count: () => void): Promise<void> {
  const one = async (): Promise<void> => {
    for (;;) {
      const socket = await bareSocket(target);
      if (socket !== null) {
        count();
        if (begin.length > 0) socket.write(begin);
        await closed(socket);
      }
      await pause(again);
    }
  };
  await many(silentSockets, one);
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else {
      socket.resume();
      socket.once('close', () => resolve());
    }
  });

async function many(loops: number, one: (index: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: loops }, (_each, index) => one(index)));
}

/** Record and handshake headers of a ClientHello that says it is longer than what comes. */
const halfClientHello = Buffer.concat([
  Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
  randomBytes(32),
]);

function handshakes(as: As): Attack['run'] {
  return (target, count) =>
    many(atOnce, async () => {
      for (;;) {
        const socket = await openSocket(target, as);
        if (socket !== null) count();
        socket?.destroy();
        await pause(again);
      }
    });
}

function upgrades(authorization: (target: Target) => string): Attack['run'] {
  return (target, count) =>
    many(atOnce, async () => {
      for (;;) {
        const socket = await openSocket(target);
        if (socket !== null) {
          count();
          socket.write(upgradeRequest(target, authorization(target)));
          await closed(socket);
        }
        await pause(again);
      }
    });
}

let lastId = 0;
function nextId(): number {
  lastId += 1;
  return lastId;
}

/** Message by message as one that was let in. */
function messages(
  who: { readonly as: As; readonly name: string; readonly roles: readonly string[] },
  frame: (target: Target) => Buffer,
): Attack['run'] {
  return (target, count) =>
    many(floodingPeers, () =>
      flood(
        () => peer(target, who),
        () => frame(target),
        count,
      ),
    );
}

const times = (count: number, make: () => object): Buffer =>
  Buffer.concat(Array.from({ length: count }, () => pack(make())));

const limited = { as: 'limited', name: 'limited', roles: ['client'] } as const;
const operator = { as: 'operators', name: 'operators', roles: ['operator'] } as const;
const service = { as: 'services', name: 'hostile', roles: ['participant'] } as const;
const zeros = '0'.repeat(16);
let madeUp = 0;
/** Of an epoch that has been, as far as anyone can tell from it. */
function txid(): string {
  madeUp += 1;
  return `0.${zeros}1.${madeUp.toString(36).padStart(9, '0')}.${'f'.repeat(13)}`;
}

/** Frames of a client without their payload; all that is masked is masked with zeros. */
function bareFrame(opcode: number, body: Buffer, final = true): Buffer {
  const head = Buffer.from([(final ? 0x80 : 0) | opcode, 0x80 | body.length, 0, 0, 0, 0]);
  return Buffer.concat([head, body]);
}

const chunkBytes = 16_384;

/** On a connection that says no hello. */
function frames(first: Buffer, frame: Buffer): Attack['run'] {
  const count = Math.max(1, Math.floor(chunkBytes / frame.length));
  const chunk = Buffer.concat(Array.from({ length: count }, () => frame));
  return (target, told) =>
    many(floodingPeers, async () => {
      for (;;) {
        const socket = await openSocket(target, target.tls === null ? null : 'limited');
        if (socket !== null) {
          socket.resume();
          socket.write(upgradeRequest(target));
          await pause(again * 10);
          socket.write(first);
          while (!socket.destroyed && socket.writable) {
            told();
            if (socket.write(chunk)) await pause(1);
            else await Promise.race([drained(socket), closed(socket)]);
          }
        }
        await pause(again);
      }
    });
}

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('drain', () => resolve()));

/** A megabyte that decodes to nothing of sense, before any hello. */
const megabyte = ((): Buffer => {
  const head = Buffer.alloc(14);
  head[0] = 0x82;
  head[1] = 0xff;
  head.writeBigUInt64BE(1_000_000n, 2);
  return Buffer.concat([head, Buffer.alloc(1_000_000, 0x80)]);
})();

/** Asks for much, and reads none of it. */
async function unread(target: Target, count: () => void): Promise<void> {
  await many(floodingPeers * 2, async () => {
    await flood(
      async () => {
        const socket = await peer(target, operator);
        socket?.pause();
        return socket;
      },
      () => times(batch, () => ({ type: 'list', id: nextId(), limit: 1_000 })),
      count,
    );
  });
}

/** All of them at once, again and again. */
async function storm(target: Target, count: () => void): Promise<void> {
  for (;;) {
    const all: (WebSocket | null)[] = [];
    await many(stormConnections, async () => {
      all.push(await peer(target, limited));
      count();
    });
    await pause(again * 20);
    for (const each of all) each?.terminate();
    await pause(again);
  }
}

/** One hello on each, under a name that it may not have. */
async function hellos(target: Target, count: () => void): Promise<void> {
  await many(atOnce, async () => {
    for (;;) {
      const socket = await webSocket(target, target.tls === null ? null : 'limited');
      if (socket !== null) {
        count();
        socket.send(hello('someone-else', ['participant', 'client']));
        await new Promise((resolve) => socket.once('close', resolve));
      }
      await pause(again);
    }
  });
}

const large = 'x'.repeat(500_000);

export const attacks: readonly Attack[] = [
  { name: 'silent sockets', run: (target, count) => hold(target, '', count) },
  {
    name: 'half a request',
    run: (target, count) => hold(target, 'GET /v1 HTTP/1.1\r\nHost: x\r\n', count),
  },
  {
    name: 'half a TLS handshake',
    onlyWithTls: true,
    run: (target, count) => hold(target, halfClientHello, count),
  },
  { name: 'TLS handshakes', onlyWithTls: true, run: handshakes(null) },
  {
    name: 'TLS handshakes, wrong certificates',
    onlyWithTls: true,
    run: handshakes('wrong'),
  },
  {
    name: 'upgrades with wrong tokens',
    run: upgrades(() => `Verdict ${randomBytes(8).toString('hex')}.${'A'.repeat(22)}`),
  },
  { name: 'upgrades with bad JWTs', run: upgrades(({ badJwt }) => `Bearer ${badJwt}`) },
  { name: 'hellos that are refused', run: hellos },
  { name: 'a storm of 500 reconnections', onlyWithTls: true, run: storm },
  {
    name: 'begin',
    onlyWithTls: true,
    run: messages(limited, () => times(batch, () => ({ type: 'begin', id: nextId() }))),
  },
  {
    name: 'transact with request ids',
    onlyWithTls: true,
    run: messages(limited, ({ participants }) =>
      times(batch, () => ({
        type: 'transact',
        id: nextId(),
        requestId: `r${nextId()}`,
        branches: participants.map((participant) => ({ participant })),
      })),
    ),
  },
  {
    name: 'large payloads',
    onlyWithTls: true,
    run: messages(limited, () =>
      pack({
        type: 'transact',
        id: nextId(),
        branches: [{ participant: 'no-one', payload: large }],
      }),
    ),
  },
  {
    name: 'status',
    onlyWithTls: true,
    run: messages(limited, () =>
      times(batch, () => ({ type: 'status', id: nextId(), txid: txid() })),
    ),
  },
  {
    name: 'list and info by an operator',
    onlyWithTls: true,
    run: messages(operator, () =>
      times(batch / 2, () =>
        nextId() % 2 === 0
          ? { type: 'info', id: nextId() }
          : { type: 'list', id: nextId(), state: 'COMMITTED', limit: 1_000 },
      ),
    ),
  },
  { name: 'answers that are not read', onlyWithTls: true, run: unread },
  {
    name: 'votes about made-up txids',
    onlyWithTls: true,
    run: messages(service, () =>
      times(batch, () => ({ type: 'vote', txid: txid(), branch: 'x', vote: 'commit' })),
    ),
  },
  {
    name: 'queries about made-up txids',
    onlyWithTls: true,
    run: messages(service, () =>
      times(batch, () => ({ type: 'query', id: nextId(), txid: txid(), inDoubt: true })),
    ),
  },
  {
    name: 'reports of made-up txids',
    onlyWithTls: true,
    run: messages(service, () =>
      pack({
        type: 'report',
        id: nextId(),
        kept: [],
        inDoubt: Array.from({ length: batch * 10 }, () => ({
          txid: txid(),
          witness: { generation: 0, revision: '1' },
        })),
      }),
    ),
  },
  { name: 'pongs', run: frames(Buffer.alloc(0), bareFrame(10, Buffer.alloc(4))) },
  { name: 'pings', run: frames(Buffer.alloc(0), bareFrame(9, Buffer.alloc(4))) },
  {
    name: 'empty pieces of a message',
    run: frames(bareFrame(2, Buffer.from([0x80]), false), bareFrame(0, Buffer.alloc(0), false)),
  },
  { name: 'megabytes before hello', run: frames(Buffer.alloc(0), megabyte) },
];
