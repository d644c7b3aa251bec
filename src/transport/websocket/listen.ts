/**
 * The side that listens: an HTTP server that upgrades `/v1` and hands every other request to the
 * caller. Everything here faces strangers, so every step has a limit and a time-out.
 */
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { coordinatorOptionTable } from '../../core/coordinator-options.ts';
import type { FromNode, ToNode } from '../../core/messages.ts';
import { Shares } from '../../core/shares.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  Acceptor,
  Connection,
  ConnectionHandler,
  HeldBytes,
  Listener,
} from '../../ports/transport.ts';
import { subprotocol } from '../../wire/address.ts';
import { openFrame } from '../../wire/codec.ts';
import { maxHelloBytes, widestLimits } from '../../wire/limits.ts';
import { Account } from './account.ts';
import { AddressCount } from './address-count.ts';
import { closeTimeoutMs, WebSocketConnection } from './connection.ts';
import { endInPortions } from './ending.ts';
import { Portions } from './portions.ts';
import { refusalOf } from './refusal.ts';
import { smallerMessage } from './smaller.ts';
import { Turns } from './turns.ts';

// An import of it would load Node's fetch as well, which takes a tenth of a start.
const { createServer, STATUS_CODES } = process.getBuiltinModule('node:http');

const optionNames = [
  'maxFrameBytes',
  'maxDepth',
  'maxBranches',
  'maxLocks',
  'maxConnections',
  'maxConnectionsPerAddress',
  'handshakeTimeoutMs',
  'heartbeatMs',
  'maxBufferedBytes',
  'maxInputBytes',
  'maxOutputBytes',
] as const;
type OptionName = (typeof optionNames)[number];
type AcceptorLimits = Readonly<Record<OptionName, number>>;

/** Limits and defaults of `coordinatorOptionTable`; 0 bytes for all peers together is no limit. */
export interface AcceptorOptions extends Partial<AcceptorLimits> {
  readonly clock: Clock;
  /** Default 127.0.0.1: whoever may reach the port may try to speak. */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Connections that the operating system holds before they are accepted. Default 1,024. */
  readonly backlog?: number;
  /** Whether an `Authorization` header is the right one. Default: no one looks at it. */
  readonly authorize?: (authorization: string) => boolean;
  /** Plain HTTP requests (`/healthz` and the like). Default: 404. */
  readonly http?: RequestListener;
  /** Further `Origin`s that may connect, such as `https://console.example`. */
  readonly origins?: readonly string[];
  /** Faults without another way out, such as no file descriptors left. The listener goes on. */
  readonly problem?: (error: Error) => void;
}

/** Beyond the limits: those over it are still told 503 or 429, and health checks get through. */
const spareSockets = 64;
const maxHeaderBytes = 16_384;
/** How often slow ones are looked for: all found at once end in one turn. */
const checkingMs = 20;
/** A peer that pings more often than it can be answered is ended. */
const maxPongsOwed = 60;
/** One message may take this part of what may wait for a peer: others must find room beside it. */
const buffersPerMessage = 4;

export function webSocketAcceptor(options: AcceptorOptions): Acceptor {
  return {
    listen: async (accept) => {
      const server = new WebSocketListener(options, accept);
      await server.listen();
      return server;
    },
  };
}

class WebSocketListener implements Listener {
  address = '';
  port = 0;
  readonly #options: AcceptorOptions;
  readonly #limits: AcceptorLimits;
  readonly #accept: (connection: Connection<FromNode>) => ConnectionHandler<ToNode>;
  readonly #http: Server;
  readonly #webSockets: WebSocketServer;
  readonly #connections = new Set<WebSocketConnection<'to-node', FromNode>>();
  readonly #turns: Turns;
  readonly #starts = new Portions();
  readonly #ends = new Portions();
  readonly #input: Shares;
  readonly #output: Shares;
  #serial = 0;
  readonly #sockets = new AddressCount();
  /** Those that were let in: sockets which only knock must not keep others out. */
  readonly #peers = new AddressCount();
  #closed: Promise<void> | null = null;

  constructor(
    options: AcceptorOptions,
    accept: (connection: Connection<FromNode>) => ConnectionHandler<ToNode>,
  ) {
    const limits = limitsOf(options);
    this.#options = options;
    this.#limits = limits;
    this.#accept = accept;
    this.#turns = new Turns(options.clock);
    this.#input = new Shares(limits.maxInputBytes);
    this.#output = new Shares(limits.maxOutputBytes);
    const socketOptions: ServerOptions & { closeTimeout: number; maxPendingAutoPongs: number } = {
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: limits.maxFrameBytes,
      closeTimeout: closeTimeoutMs,
      maxPendingAutoPongs: maxPongsOwed,
      handleProtocols: () => subprotocol,
    };
    this.#webSockets = new WebSocketServer(socketOptions);
    this.#http = createServer({
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: limits.handshakeTimeoutMs,
      requestTimeout: limits.handshakeTimeoutMs,
      connectionsCheckingInterval: checkingMs,
      keepAliveTimeout: limits.handshakeTimeoutMs,
    });
    this.#http.maxConnections = limits.maxConnections + spareSockets;
    this.#http.on('connection', (socket) => {
      endInPortions(socket, this.#ends);
      const address = socket.remoteAddress ?? '';
      socket.on('error', () => {
        // 'close' follows. Without a listener the error of one socket would end the process.
      });
      if (this.#sockets.of(address) >= limits.maxConnectionsPerAddress + spareSockets) {
        socket.destroy();
        return;
      }
      this.#sockets.add(address);
      socket.once('close', () => this.#sockets.remove(address));
    });
    this.#http.on('request', options.http ?? notFound);
    this.#http.on('upgrade', (request, socket, head) => {
      this.#starts.later(() => this.#upgrade(request, socket, head));
    });
    this.#http.on('clientError', (error: Error & { code?: string }, socket) => {
      const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
      refuse(socket, slow ? 408 : 400, slow ? 'The request took too long.' : 'Bad request.');
    });
  }

  listen(): Promise<void> {
    const { host = '127.0.0.1', port, backlog = 1_024, problem } = this.#options;
    return new Promise((resolve, reject) => {
      const failed = (error: Error & { code?: string }): void => {
        const text = listenErrors[error.code ?? ''] ?? error.message;
        reject(new Error(`Cannot listen on ${hostPort(host, port)}: ${text}`, { cause: error }));
      };
      this.#http.once('error', failed);
      this.#http.listen({ host, port, backlog }, () => {
        this.#http.off('error', failed);
        this.#http.on('error', (error) => problem?.(error));
        const bound = this.#http.address() as AddressInfo;
        this.port = bound.port;
        this.address = hostPort(bound.address, bound.port);
        resolve();
      });
    });
  }

  held(): { readonly input: HeldBytes; readonly output: HeldBytes } {
    const held = ({ used, total }: Shares): HeldBytes => ({ bytes: used, maxBytes: total });
    return { input: held(this.#input), output: held(this.#output) };
  }

  /** Stops listening and closes every connection; silent ones are dropped after 2 s. */
  close(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      // Upgraded sockets are not the HTTP server's to end: `ws` destroys those slow to close.
      const patience = this.#options.clock.setTimer(closeTimeoutMs, () => {
        this.#http.closeAllConnections();
      });
      this.#http.close(() => {
        patience.cancel();
        resolve();
      });
      this.#http.closeIdleConnections();
      for (const connection of this.#connections) connection.close(1001, 'The node stops.');
    });
    return this.#closed;
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const address = request.socket.remoteAddress ?? '';
    const token = this.#tokenOf(request);
    const refusal = refusalOf(request, {
      origins: this.#options.origins ?? [],
      token,
      stopping: this.#closed !== null,
      full: this.#peers.total >= this.#limits.maxConnections,
      fullForAddress: this.#peers.of(address) >= this.#limits.maxConnectionsPerAddress,
    });
    if (refusal !== null) {
      refuse(socket, refusal.status, refusal.text);
      return;
    }
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#opened({ webSocket, socket, address, authenticated: token === 'right' });
    });
  }

  #tokenOf({ headers }: IncomingMessage): 'right' | 'wrong' | 'absent' {
    const { authorize } = this.#options;
    if (headers.authorization === undefined || authorize === undefined) return 'absent';
    return authorize(headers.authorization) ? 'right' : 'wrong';
  }

  #opened(peer: {
    readonly webSocket: WebSocket;
    readonly socket: Duplex;
    readonly address: string;
    readonly authenticated: boolean;
  }): void {
    const { webSocket: socket, address: remoteAddress } = peer;
    const { clock } = this.#options;
    const limits = this.#limits;
    this.#serial += 1;
    const origin = { address: remoteAddress, name: String(this.#serial) };
    const connection = new WebSocketConnection<'to-node', FromNode>({
      socket,
      remoteAddress,
      authenticated: peer.authenticated,
      maxHelloBytes,
      clock,
      heartbeatMs: limits.heartbeatMs,
      maxBufferedBytes: limits.maxBufferedBytes,
      maxFrameBytes: limits.maxFrameBytes,
      maxMessageBytes: Math.min(
        widestLimits.maxFrameBytes,
        Math.floor(limits.maxBufferedBytes / buffersPerMessage),
      ),
      smaller: (message) => this.#smaller(message),
      decode: (data) => openFrame(data, { direction: 'to-node', limits }),
      turns: this.#turns,
      accounts: {
        input: new Account(this.#input, origin),
        output: new Account(this.#output, origin),
      },
    });
    this.#connections.add(connection);
    this.#peers.add(remoteAddress);
    peer.socket.on('data', (chunk: Buffer) => connection.came(chunk.length));
    socket.once('close', () => {
      this.#connections.delete(connection);
      this.#peers.remove(remoteAddress);
    });
    connection.start(this.#accept(connection));
  }

  #smaller(message: FromNode): FromNode | null {
    const less = smallerMessage(message);
    if (less === null) {
      const text = `A ${message.type} message was not sent: it is larger than a frame may be.`;
      this.#options.problem?.(new RangeError(text));
    }
    return less;
  }
}

const listenErrors: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use. Stop what listens there, or take another port.',
  EACCES: 'this user may not listen on that port. Take one above 1023.',
  EADDRNOTAVAIL: 'this machine has no such address.',
  ENOTFOUND: 'the host name is not known.',
};

function limitsOf(options: AcceptorOptions): AcceptorLimits {
  const limits = Object.fromEntries(
    optionNames.map((name) => [name, options[name] ?? coordinatorOptionTable[name].default]),
  ) as Record<OptionName, number>;
  for (const name of ['maxInputBytes', 'maxOutputBytes'] as const) {
    limits[name] ||= Number.MAX_SAFE_INTEGER;
  }
  return limits;
}

const notFound: RequestListener = (_request, response) => {
  response.writeHead(404, { 'content-type': 'text/plain' }).end('Not found.\n');
};

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function refuse(socket: Duplex, status: number, text: string): void {
  if (!socket.writable) {
    socket.destroy();
    return;
  }
  const body = `${text}\n`;
  // `destroySoon` would wait for the peer to read; a stranger gets no such patience.
  socket.once('finish', () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
