/**
 * The side that listens: an HTTP server that upgrades `/v1` and hands every other request to the
 * caller. Everything here faces strangers, so every step has a limit and a time-out.
 */
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { shareOf } from '../../core/access/address-share.ts';
import { coordinatorOptionTable } from '../../core/coordinator-options.ts';
import type { FromNode, ToNode } from '../../core/messages.ts';
import { Shares } from '../../core/shares.ts';
import type { Authentication, Shown, Who } from '../../ports/access.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  Acceptor,
  Connection,
  ConnectionHandler,
  Door,
  HeldBytes,
  Listener,
} from '../../ports/transport.ts';
import { subprotocol } from '../../wire/address.ts';
import { openFrame } from '../../wire/codec.ts';
import { maxHelloBytes, widestLimits } from '../../wire/limits.ts';
import type { SecureServer } from '../tls/secure-server.ts';
import type { AcceptorTls } from '../tls/server-credentials.ts';
import { Account } from './account.ts';
import { AddressCount } from './address-count.ts';
import { closeTimeoutMs, WebSocketConnection } from './connection.ts';
import { endInPortions } from './ending.ts';
import { PeerAddresses } from './peer-address.ts';
import { Portions } from './portions.ts';
import { crowded, type Refusal, refusalOf } from './refusal.ts';
import { refuse, shownBy } from './shown.ts';
import { smallerMessage } from './smaller.ts';
import { Turns } from './turns.ts';

// An import of it would load Node's fetch as well, which takes a tenth of a start.
const { createServer } = process.getBuiltinModule('node:http');

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
  /** Who a peer is, by what it shows in the upgrade request. Default: no one looks at it. */
  readonly authenticate?: (shown: Shown) => Authentication | Promise<Authentication>;
  /** Default: none, the port speaks `ws://`. */
  readonly tls?: AcceptorTls;
  /** What its connections are let in for. Default `all`. */
  readonly door?: Door;
  /** Whose `X-Forwarded-For` is believed: addresses, and subnets such as `10.0.0.0/8`. */
  readonly trustedProxies?: readonly string[];
  /** Plain HTTP requests (`/healthz` and the like). Default: 404. */
  readonly http?: RequestListener;
  /** Further `Origin`s that may connect, such as `https://console.example`. */
  readonly origins?: readonly string[];
  /** A connection was refused before it was one. */
  readonly refused?: (refused: RefusedUpgrade) => void;
  /** Faults without another way out, such as no file descriptors left. The listener goes on. */
  readonly problem?: (error: Error) => void;
}

export interface RefusedUpgrade {
  readonly address: string;
  readonly status: number;
  readonly text: string;
}

/** Beyond the limits: those over it are still told 503 or 429, and health checks get through. */
const spareSockets = 64;
const maxHeaderBytes = 16_384;
/** How often slow ones are looked for: all found at once end in one turn. */
const checkingMs = 20;
/** A peer that pings more often than it can be answered is ended. */
const maxPongsOwed = 60;
/** Credentials that are looked at at once, and are not known from one turn to the next. */
const maxVerifying = 64;
/** One message may take this part of what may wait for a peer: others must find room beside it. */
const buffersPerMessage = 4;

export function webSocketAcceptor(options: AcceptorOptions): Acceptor {
  return {
    listen: async (accept) => {
      const { tls } = options;
      const secure =
        tls === undefined ? null : (await import('../tls/secure-server.ts')).createSecureServer;
      const server = new WebSocketListener(options, accept, secure);
      await server.listen();
      return server;
    },
  };
}

class WebSocketListener implements Listener {
  address = '';
  port = 0;
  readonly scheme: 'ws' | 'wss';
  readonly #options: AcceptorOptions;
  readonly #limits: AcceptorLimits;
  readonly #accept: (connection: Connection<FromNode>) => ConnectionHandler<ToNode>;
  readonly #http: Server;
  readonly #secure: SecureServer | null;
  readonly #webSockets: WebSocketServer;
  readonly #connections = new Set<WebSocketConnection<'to-node', FromNode>>();
  readonly #turns: Turns;
  readonly #starts = new Portions();
  readonly #ends = new Portions();
  readonly #input: Shares;
  readonly #output: Shares;
  readonly #verifying = new Shares(maxVerifying);
  readonly #addresses: PeerAddresses;
  #serial = 0;
  readonly #sockets = new AddressCount();
  /** Those that were let in: sockets which only knock must not keep others out. */
  readonly #peers = new AddressCount();
  #closed: Promise<void> | null = null;

  constructor(
    options: AcceptorOptions,
    accept: (connection: Connection<FromNode>) => ConnectionHandler<ToNode>,
    createSecureServer: CreateSecureServer | null,
  ) {
    const limits = limitsOf(options);
    this.scheme = options.tls === undefined ? 'ws' : 'wss';
    this.#options = options;
    this.#limits = limits;
    this.#addresses = new PeerAddresses(options.trustedProxies);
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
    this.#webSockets.on('wsClientError', ({ message: text }, socket, request) => {
      refuse(socket, 400, text);
      const address = request.socket.remoteAddress ?? '';
      options.refused?.({ address, status: 400, text });
    });
    const httpOptions = {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: limits.handshakeTimeoutMs,
      requestTimeout: limits.handshakeTimeoutMs,
      connectionsCheckingInterval: checkingMs,
      keepAliveTimeout: limits.handshakeTimeoutMs,
    };
    const { tls, clock } = options;
    this.#secure =
      tls === undefined || createSecureServer === null
        ? null
        : createSecureServer(tls, {
            ...httpOptions,
            clock,
            handshakeTimeout: limits.handshakeTimeoutMs,
          });
    this.#http = this.#secure?.server ?? createServer(httpOptions);
    this.#http.maxConnections = limits.maxConnections + spareSockets;
    // With TLS this is the socket below it, from before the handshake on.
    this.#http.on('connection', (socket: Socket) => {
      this.#guard(socket);
      if (this.#addresses.isProxy(socket.remoteAddress ?? '')) return;
      const address = shareOf(socket.remoteAddress ?? '');
      if (this.#sockets.of(address) >= limits.maxConnectionsPerAddress + spareSockets) {
        socket.destroy();
        this.#options.refused?.({ address, ...crowded });
        return;
      }
      this.#sockets.add(address);
      socket.once('close', () => this.#sockets.remove(address));
    });
    this.#http.on('secureConnection', (socket: Socket) => this.#guard(socket));
    this.#http.on('request', options.http ?? notFound);
    this.#http.on('upgrade', (request, socket, head) => {
      this.#starts.later(() => this.#upgrade(request, socket, head));
    });
    this.#http.on('clientError', (error: Error & { code?: string }, socket: Duplex) => {
      // In a handshake that failed there is no one to tell.
      if (this.#secure !== null && !/^(?:HPE|ERR_HTTP)_/.test(error.code ?? '')) {
        socket.destroy();
        return;
      }
      const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
      const [status, text] = slow ? [408, 'The request took too long.'] : [400, 'Bad request.'];
      refuse(socket, status, text);
      // Whoever only hung up asked for nothing.
      if (slow || error.code?.startsWith('HPE_') === true) {
        const address = (socket as Socket).remoteAddress ?? '';
        this.#options.refused?.({ address, status, text });
      }
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
        this.#secure?.watch();
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
    this.#secure?.close();
    this.#closed ??= new Promise((resolve) => {
      // Upgraded sockets are not the HTTP server's to end: `ws` destroys those slow to close.
      const patience = this.#options.clock.setTimer(closeTimeoutMs, () => {
        this.#http.closeAllConnections();
        this.#secure?.endHandshakes();
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

  #guard(socket: Socket): void {
    endInPortions(socket, this.#ends);
    socket.on('error', () => {
      // 'close' follows. Without a listener the error of one socket would end the process.
    });
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { authenticate } = this.#options;
    const { tls, clock } = this.#options;
    const shown = shownBy(request, tls?.clientAuth ?? null, clock.wallMs());
    if ('text' in shown) {
      this.#refuse(request, socket, shown);
      return;
    }
    const refusal = this.#refusal(request, null);
    if (refusal !== null) {
      this.#refuse(request, socket, refusal);
      return;
    }
    const upgrade = (found: Authentication): void => {
      this.#authenticated(found, { request, socket, head });
    };
    // A signature takes its time, and the keys for it may be an issuer's to send: what one address
    // asks for must leave some for others. Other credentials are looked at in this turn.
    const origin = { address: shareOf(this.#addresses.of(request)), name: '' };
    const isBearer = /^bearer /i.test(shown.authorization ?? '');
    if (isBearer && !this.#verifying.admits(origin, 1)) {
      this.#refuse(request, socket, tooMany);
      return;
    }
    const found = authenticate?.(shown) ?? { status: 'absent' };
    if (!(found instanceof Promise)) {
      upgrade(found);
      return;
    }
    this.#verifying.take(origin, 1);
    const release = (): void => this.#verifying.take(origin, -1);
    found.then(release, release);
    const patience = this.#options.clock.setTimer(this.#limits.handshakeTimeoutMs, () => {
      this.#refuse(request, socket, tooLong);
    });
    found
      .then((answer) => {
        patience.cancel();
        if (!socket.destroyed && socket.writable) upgrade(answer);
      })
      .catch((error: unknown) => {
        patience.cancel();
        this.#options.problem?.(error as Error);
        this.#refuse(request, socket, unknowable);
      });
  }

  #refuse(request: IncomingMessage, socket: Duplex, refusal: Refusal): void {
    refuse(socket, refusal.status, refusal.text);
    this.#options.refused?.({ address: this.#addresses.of(request), ...refusal });
  }

  /** Once before anyone looks at who it is, and once when that is known: meanwhile others come. */
  #refusal(request: IncomingMessage, wrong: string | null): Refusal | null {
    const share = shareOf(this.#addresses.of(request));
    return refusalOf(request, {
      origins: this.#options.origins ?? [],
      wrong,
      stopping: this.#closed !== null,
      full: this.#peers.total >= this.#limits.maxConnections,
      fullForAddress: this.#peers.of(share) >= this.#limits.maxConnectionsPerAddress,
    });
  }

  #authenticated(
    found: Authentication,
    { request, socket, head }: { request: IncomingMessage; socket: Duplex; head: Buffer },
  ): void {
    if (found.status === 'wrong' && found.passes === true) {
      this.#refuse(request, socket, { status: 503, text: found.why });
      return;
    }
    const refusal = this.#refusal(request, found.status === 'wrong' ? found.why : null);
    if (refusal !== null) {
      this.#refuse(request, socket, refusal);
      return;
    }
    const address = this.#addresses.of(request);
    const addHeaders = (lines: string[]): void => {
      if (found.status !== 'challenged') return;
      for (const [name, value] of Object.entries(found.headers)) lines.push(`${name}: ${value}`);
    };
    // It is told within the call below, and of this upgrade alone.
    this.#webSockets.once('headers', addHeaders);
    this.#webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      this.#opened({
        webSocket,
        socket,
        address,
        authenticated: found.status === 'right' ? found.who : null,
        check: found.status === 'challenged' ? found.check : undefined,
      });
    });
    this.#webSockets.off('headers', addHeaders);
  }

  #opened(peer: {
    readonly webSocket: WebSocket;
    readonly socket: Duplex;
    readonly address: string;
    readonly authenticated: Who | null;
    readonly check: ((proof: string) => Who | null) | undefined;
  }): void {
    const { webSocket: socket, address: remoteAddress } = peer;
    const { clock } = this.#options;
    const limits = this.#limits;
    this.#serial += 1;
    const share = shareOf(remoteAddress);
    const origin = { address: share, name: String(this.#serial) };
    const connection = new WebSocketConnection<'to-node', FromNode>({
      socket,
      remoteAddress,
      authenticated: peer.authenticated,
      check: peer.check,
      isPrivate: this.#options.tls !== undefined,
      door: this.#options.door ?? 'all',
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
    this.#peers.add(share);
    peer.socket.on('data', (chunk: Buffer) => connection.came(chunk.length));
    socket.once('close', () => {
      this.#connections.delete(connection);
      this.#peers.remove(share);
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

type CreateSecureServer = typeof import('../tls/secure-server.ts').createSecureServer;

const tooLong: Refusal = {
  status: 503,
  text: 'It took too long to find out who you are. Try again later.',
};
const tooMany: Refusal = {
  status: 503,
  text: 'Too many peers show a JWT at once. Try again later.',
};
const unknowable: Refusal = {
  status: 503,
  text: 'The node cannot find out who you are. Try again later.',
};

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
