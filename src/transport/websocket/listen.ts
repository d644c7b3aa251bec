/**
 * The side that listens: an HTTP server that upgrades `/v1` and hands every other request to the
 * caller. Everything here faces strangers, so every step has a limit and a time-out.
 */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { shareOf } from '../../core/access/address-share.ts';
import type { FromNode, ToNode } from '../../core/messages.ts';
import { Shares } from '../../core/shares.ts';
import type {
  Acceptor,
  Connection,
  ConnectionHandler,
  HeldBytes,
  Listener,
} from '../../ports/transport.ts';
import { openFrame } from '../../wire/codec.ts';
import { maxHelloBytes, widestLimits } from '../../wire/limits.ts';
import { readers } from '../../wire/readers.ts';
import { type AcceptorLimits, type AcceptorOptions, limitsOf } from './acceptor-options.ts';
import { Account } from './account.ts';
import { AddressCount } from './address-count.ts';
import { WebSocketConnection } from './connection.ts';
import { type CreateSecureServer, HttpFront, hostPort } from './http-front.ts';
import { PeerAddresses } from './peer-address.ts';
import { smallerMessage } from './smaller.ts';
import { Turns } from './turns.ts';
import { type Upgraded, Upgrades } from './upgrades.ts';

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

const unvouchedText =
  'No authority of --tls-client-ca vouches for the certificate of this connection any more.';

class WebSocketListener implements Listener {
  address = '';
  port = 0;
  readonly scheme: 'ws' | 'wss';
  readonly #options: AcceptorOptions;
  readonly #limits: AcceptorLimits;
  readonly #accept: (connection: Connection<FromNode>) => ConnectionHandler<ToNode>;
  readonly #front: HttpFront;
  readonly #connections = new Map<Duplex, WebSocketConnection<'to-node', FromNode>>();
  /** Of connections that are over. */
  readonly #past = { input: 0, output: 0 };
  readonly #turns: Turns;
  readonly #input: Shares;
  readonly #output: Shares;
  #serial = 0;
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
    this.#accept = accept;
    this.#turns = new Turns(options.clock);
    this.#input = new Shares(limits.maxInputBytes);
    this.#output = new Shares(limits.maxOutputBytes);
    const addresses = new PeerAddresses(options.trustedProxies);
    const upgrades = new Upgrades({
      options,
      limits,
      addresses,
      peers: this.#peers,
      isStopping: () => this.#closed !== null,
      opened: (peer) => this.#opened(peer),
    });
    this.#front = new HttpFront({
      options,
      limits,
      addresses,
      createSecureServer,
      upgrade: (request, socket, head) => upgrades.add({ request, socket, head }),
      unvouched: (socket) => this.#unvouched(socket),
    });
  }

  async listen(): Promise<void> {
    const bound = await this.#front.listen();
    this.port = bound.port;
    this.address = hostPort(bound.address, bound.port);
  }

  held(): { readonly input: HeldBytes; readonly output: HeldBytes } {
    const held = ({ used, total }: Shares): HeldBytes => ({ bytes: used, maxBytes: total });
    return { input: held(this.#input), output: held(this.#output) };
  }

  traffic(): { readonly input: number; readonly output: number } {
    let { input, output } = this.#past;
    for (const { bytesRead, bytesWritten } of this.#connections.keys() as Iterable<Socket>) {
      input += bytesRead;
      output += bytesWritten;
    }
    return { input, output };
  }

  /** Stops listening and closes every connection; silent ones are dropped after 2 s. */
  close(): Promise<void> {
    if (this.#closed === null) {
      this.#closed = this.#front.close();
      for (const connection of this.#connections.values())
        connection.close(1001, 'The node stops.');
    }
    return this.#closed;
  }

  /** Nothing that comes from it counts any more. */
  #unvouched(socket: Duplex): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) socket.destroy();
    else connection.close(1008, unvouchedText);
  }

  #opened(peer: Upgraded): void {
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
      decode: (data) => openFrame(data, { readers: readers['to-node'], limits }),
      turns: this.#turns,
      accounts: {
        input: new Account(this.#input, origin),
        output: new Account(this.#output, origin),
      },
    });
    this.#connections.set(peer.socket, connection);
    this.#peers.add(share);
    peer.socket.on('data', (chunk: Buffer) => connection.came(chunk.length));
    socket.once('close', () => {
      this.#connections.delete(peer.socket);
      const { bytesRead, bytesWritten } = peer.socket as Socket;
      this.#past.input += bytesRead;
      this.#past.output += bytesWritten;
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
