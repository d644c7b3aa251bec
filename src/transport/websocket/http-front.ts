/**
 * The HTTP server below the upgrades: its sockets, how many an address may hold, and how long each
 * request may take. All else that is asked for goes to the caller.
 */
import type { IncomingMessage, RequestListener, Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import process from 'node:process';
import type { Duplex } from 'node:stream';
import { shareOf } from '../../core/access/address-share.ts';
import type { SecureServer } from '../tls/secure-server.ts';
import type { AcceptorLimits, AcceptorOptions } from './acceptor-options.ts';
import { AddressCount } from './address-count.ts';
import { closeTimeoutMs } from './connection.ts';
import { endInPortions } from './ending.ts';
import type { PeerAddresses } from './peer-address.ts';
import { Portions } from './portions.ts';
import { crowded } from './refusal.ts';
import { refuse } from './shown.ts';

// An import of it would load Node's fetch as well, which takes a tenth of a start.
const { createServer } = process.getBuiltinModule('node:http');

export type CreateSecureServer = typeof import('../tls/secure-server.ts').createSecureServer;

/** Beyond the limits: those over it are still told 503 or 429, and health checks get through. */
const spareSockets = 64;
const maxHeaderBytes = 16_384;
/** How often slow ones are looked for: all found at once end in one turn. */
const checkingMs = 20;

export class HttpFront {
  readonly #options: AcceptorOptions;
  readonly #limits: AcceptorLimits;
  readonly #addresses: PeerAddresses;
  readonly #server: Server;
  readonly #secure: SecureServer | null;
  readonly #unvouched: (socket: Duplex) => void;
  readonly #ends = new Portions();
  readonly #sockets = new AddressCount();

  constructor(given: {
    readonly options: AcceptorOptions;
    readonly limits: AcceptorLimits;
    readonly addresses: PeerAddresses;
    readonly createSecureServer: CreateSecureServer | null;
    readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
    /** No authority stands for its certificate any more. */
    readonly unvouched: (socket: Duplex) => void;
  }) {
    const { options, limits, createSecureServer } = given;
    this.#options = options;
    this.#limits = limits;
    this.#addresses = given.addresses;
    this.#unvouched = given.unvouched;
    const httpOptions = {
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: limits.handshakeTimeoutMs,
      requestTimeout: limits.handshakeTimeoutMs,
      connectionsCheckingInterval: checkingMs,
      keepAliveTimeout: limits.handshakeTimeoutMs,
      // Java's client offers h2c with whatever it asks for: who asks for health is to be answered.
      // Older Nodes do not know the option, and refuse such requests.
      shouldUpgradeCallback: ({ headers }: IncomingMessage) =>
        /\bwebsocket\b/i.test(headers.upgrade ?? ''),
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
    this.#server = this.#secure?.server ?? createServer(httpOptions);
    this.#server.maxConnections = limits.maxConnections + spareSockets;
    // With TLS this is the socket below it, from before the handshake on.
    this.#server.on('connection', (socket: Socket) => this.#came(socket));
    this.#server.on('secureConnection', (socket: Socket) => this.#guard(socket));
    this.#server.on('request', options.http ?? notFound);
    this.#server.on('upgrade', given.upgrade);
    this.#server.on('clientError', (error: Fault, socket: Duplex) => this.#failed(error, socket));
  }

  listen(): Promise<AddressInfo> {
    const { host = '127.0.0.1', port, backlog = 1_024, problem } = this.#options;
    return new Promise((resolve, reject) => {
      const failed = (error: Fault): void => {
        const text = listenErrors[error.code ?? ''] ?? error.message;
        reject(new Error(`Cannot listen on ${hostPort(host, port)}: ${text}`, { cause: error }));
      };
      this.#server.once('error', failed);
      this.#server.listen({ host, port, backlog }, () => {
        this.#server.off('error', failed);
        this.#server.on('error', (error) => problem?.(error));
        this.#secure?.watch((socket, isVouchedFor) => {
          this.#ends.later(() => {
            if (!socket.destroyed && !isVouchedFor()) this.#unvouched(socket);
          });
        });
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  /** Upgraded sockets are not its to end: `ws` destroys those slow to close. */
  close(): Promise<void> {
    this.#secure?.close();
    return new Promise((resolve) => {
      const patience = this.#options.clock.setTimer(closeTimeoutMs, () => {
        this.#server.closeAllConnections();
        this.#secure?.endHandshakes();
      });
      this.#server.close(() => {
        patience.cancel();
        resolve();
      });
      this.#server.closeIdleConnections();
    });
  }

  #came(socket: Socket): void {
    this.#guard(socket);
    if (this.#addresses.isProxy(socket.remoteAddress ?? '')) return;
    const address = shareOf(socket.remoteAddress ?? '');
    if (this.#sockets.of(address) >= this.#limits.maxConnectionsPerAddress + spareSockets) {
      socket.destroy();
      this.#options.refused?.({ address, ...crowded });
      return;
    }
    this.#sockets.add(address);
    socket.once('close', () => this.#sockets.remove(address));
  }

  #guard(socket: Socket): void {
    endInPortions(socket, this.#ends);
    socket.on('error', () => {
      // 'close' follows. Without a listener the error of one socket would end the process.
    });
  }

  #failed(error: Fault, socket: Duplex): void {
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
  }
}

type Fault = Error & { readonly code?: string };

const listenErrors: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use. Stop what listens there, or take another port.',
  EACCES: 'this user may not listen on that port. Take one above 1023.',
  EADDRNOTAVAIL: 'this machine has no such address.',
  ENOTFOUND: 'the host name is not known.',
};

const notFound: RequestListener = (_request, response) => {
  response.writeHead(404, { 'content-type': 'text/plain' }).end('Not found.\n');
};

export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
