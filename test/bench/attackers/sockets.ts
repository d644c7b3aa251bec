/** Connections of an attacker: bare sockets, TLS, WebSockets, and peers that were welcomed. */
import { connect as connectPlain, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type ConnectionOptions, connect as connectSecure } from 'node:tls';
import { pack } from 'msgpackr';
import { WebSocket } from 'ws';
import type { As, Target } from './target.ts';

const openTimeoutMs = 5_000;

function secureOptions({ tls }: Target, as: As): ConnectionOptions {
  return {
    rejectUnauthorized: false,
    ...(tls === null || as === null ? {} : { cert: tls[as].cert, key: tls[as].key }),
  };
}

/** A socket that is connected, before any TLS. Null: it was refused. */
export function bareSocket({ port }: Target): Promise<Socket | null> {
  const socket = connectPlain({ host: '127.0.0.1', port });
  return opened(socket, 'connect');
}

/** One that HTTP can be spoken on. Null: it was refused. */
export function openSocket(target: Target, as: As = null): Promise<Socket | null> {
  if (target.tls === null) return bareSocket(target);
  const socket = connectSecure({
    host: '127.0.0.1',
    port: target.port,
    ...secureOptions(target, as),
  });
  return opened(socket, 'secureConnect');
}

function opened(socket: Socket, event: string): Promise<Socket | null> {
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      socket.destroy();
      resolve(null);
    }, openTimeoutMs);
    const done = (result: Socket | null): void => {
      clearTimeout(timer);
      resolve(result);
    };
    socket.once(event, () => done(socket));
    socket.once('close', () => done(null));
  });
}

export function upgradeRequest({ port }: Target, authorization: string | null = null): string {
  return [
    'GET /v1 HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    'Sec-WebSocket-Protocol: verdict.v1',
    ...(authorization === null ? [] : [`Authorization: ${authorization}`]),
    '\r\n',
  ].join('\r\n');
}

/** A WebSocket as that identity, with nothing said on it. Null: it was refused. */
export function webSocket(target: Target, as: As): Promise<WebSocket | null> {
  const scheme = target.tls === null ? 'ws' : 'wss';
  const socket = new WebSocket(`${scheme}://127.0.0.1:${target.port}/v1`, 'verdict.v1', {
    perMessageDeflate: false,
    handshakeTimeout: openTimeoutMs,
    ...secureOptions(target, as),
  });
  socket.on('error', () => undefined);
  return new Promise((resolve) => {
    socket.once('open', () => resolve(socket));
    socket.once('close', () => resolve(null));
  });
}

let serial = 0;

export function hello(name: string, roles: readonly string[]): Buffer {
  serial += 1;
  return pack({ type: 'hello', protocol: 1, name, instance: `${name}-${serial}`, roles });
}

/** One that was answered with something. Null: it was not let in. */
export async function peer(
  target: Target,
  who: { readonly as: As; readonly name: string; readonly roles: readonly string[] },
): Promise<WebSocket | null> {
  const socket = await webSocket(target, who.as);
  if (socket === null) return null;
  return new Promise((resolve) => {
    socket.once('message', () => resolve(socket));
    socket.once('close', () => resolve(null));
    socket.send(hello(who.name, who.roles));
  });
}

/** Most that an attacker has unsent: it floods the node, not this machine's memory. */
const maxUnsentBytes = 4_194_304;

/** Sends without end; comes again when it is thrown out. */
export async function flood(
  makePeer: () => Promise<WebSocket | null>,
  frame: () => Buffer,
  count: () => void,
): Promise<never> {
  for (;;) {
    const socket = await makePeer();
    while (socket?.readyState === WebSocket.OPEN) {
      if (socket.bufferedAmount < maxUnsentBytes) {
        socket.send(frame());
        count();
      }
      await (socket.bufferedAmount < maxUnsentBytes ? pause(1) : pause(10));
    }
    await pause(again);
  }
}

/** Before it tries again: as quick as a hostile program is, and no busy loop. */
export const again = 5;
