/** Both ends of real connections over 127.0.0.1, for the tests of the transport. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { FromNode, ToNode } from '../../../src/core/messages.ts';
import type {
  CloseInfo,
  Connection,
  ConnectionHandler,
  Listener,
} from '../../../src/ports/transport.ts';
import { systemClock } from '../../../src/system/clock.ts';
import type { AcceptorOptions } from '../../../src/transport/websocket/acceptor-options.ts';
import { webSocketDialer } from '../../../src/transport/websocket/connect.ts';
import { webSocketAcceptor } from '../../../src/transport/websocket/listen.ts';
import { readers } from '../../../src/wire/readers.ts';
import { txidOf, welcomeOf } from '../samples/messages.ts';

export const working = (branch: string): ToNode => ({ type: 'working', txid: txidOf(1), branch });
export const goaway = (reason: string): FromNode => ({ type: 'goaway', reason });
export const welcome: FromNode = welcomeOf('a', {
  limits: { ...welcomeOf('a').limits, maxFrameBytes: 4_096 },
});

export interface End<In, Out> {
  readonly connection: Connection<Out>;
  readonly messages: In[];
  readonly problems: { code: string; message: string; id?: number }[];
  readonly closed: Promise<CloseInfo>;
  readonly handler: ConnectionHandler<In>;
}

export function endOf<In, Out>(connection: Connection<Out>): End<In, Out> {
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

export type ServerEnd = End<ToNode, FromNode>;
export type ClientEnd = End<FromNode, ToNode>;

/** What the test that runs has opened. */
export const cleanUps: (() => unknown)[] = [];

/** For the afterEach of each file. */
export async function cleanUp(): Promise<void> {
  for (const end of cleanUps.splice(0).reverse()) await end();
}

/** Whoever connects counts as greeted, unless they are to be strangers. */
export async function listen(
  options: Partial<AcceptorOptions> & { readonly strangers?: boolean } = {},
): Promise<{ listener: Listener; url: string; ends: ServerEnd[]; next: () => Promise<ServerEnd> }> {
  const ends: ServerEnd[] = [];
  const listener = await webSocketAcceptor({ clock: systemClock, port: 0, ...options }).listen(
    (connection) => {
      const end: ServerEnd = endOf(connection);
      ends.push(end);
      if (options.strangers !== true) connection.greeted?.();
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

export function dial(
  url: string,
  more: { timeoutMs?: number; heartbeatMs?: number } = {},
): Promise<ClientEnd> {
  return new Promise((resolve, reject) => {
    webSocketDialer({ clock: systemClock, readers: readers['from-node'] }).connect(
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

export async function until(condition: () => boolean): Promise<void> {
  for (let left = 1_000; left > 0; left -= 1) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('It never came true.');
}

/** A bare `ws` client: what a peer in another language would be. */
export async function bare(
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

export async function statusOf(
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

export async function rawSocket(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connectTcp(Number(port), hostname);
  cleanUps.push(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

export function textUntilEnd(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
    });
    socket.once('close', () => resolve(text));
  });
}
