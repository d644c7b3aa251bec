/**
 * The HTTP server of a listener with TLS. Loaded only where TLS is spoken.
 *
 * A client certificate is asked for in the handshake, and judged at the upgrade: a probe of the
 * node's health has none, and whoever is refused is told why.
 */
import { constants } from 'node:crypto';
import type { ServerOptions } from 'node:http';
import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import process from 'node:process';
import type { TLSSocket } from 'node:tls';
import { shareOf } from '../../core/access/address-share.ts';
import type { Clock } from '../../ports/clock.ts';
import { whenFirstRecord } from './first-record.ts';
import { type Handshake, HandshakeQueue } from './handshake-queue.ts';
import { type AcceptorTls, ServerCredentials } from './server-credentials.ts';

export interface SecureServer {
  readonly server: Server;
  /** Ends those whose handshake is not over. */
  endHandshakes(): void;
  /** Looks whether the certificate has changed, until it is closed. */
  watch(): void;
  close(): void;
}

export function createSecureServer(
  tls: AcceptorTls,
  options: ServerOptions & { readonly handshakeTimeout: number; readonly clock: Clock },
): SecureServer {
  const { clock, ...httpOptions } = options;
  const credentials = new ServerCredentials(tls, clock);
  // Connections last: a resumed session would save nothing, and skip the look at certificates.
  // A second handshake within TLS 1.2 could show another certificate than the one that was
  // verified (!): who is at the other end would be whoever it says.
  const fixed = {
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
  const server = process.getBuiltinModule('node:https').createServer({
    ...httpOptions,
    ...fixed,
    ...credentials.first(),
    requestCert: tls.clientAuth !== 'none',
    rejectUnauthorized: false,
  });
  const queue = new HandshakeQueue(clock);
  // The name leads from the bare socket to the one with TLS, which do not know each other.
  const handshakes = new Map<string, { readonly socket: Socket; readonly over: () => void }>();
  // What Node does with a socket that was accepted: it begins the handshake.
  const begin = server.listeners('connection')[0] as (socket: Socket) => void;
  server.removeListener('connection', begin);
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    // From when it begins Node has a time-out of its own.
    const patience = clock.setTimer(options.handshakeTimeout, () => socket.destroy());
    const handshake: Handshake = {
      address: shareOf(socket.remoteAddress ?? ''),
      begin: () => {
        patience.cancel();
        if (!socket.destroyed) begin.call(server, socket);
      },
      end: () => socket.destroy(),
    };
    const over = (): void => {
      patience.cancel();
      queue.left(handshake);
      if (handshakes.get(name)?.socket === socket) handshakes.delete(name);
    };
    handshakes.set(name, { socket, over });
    socket.once('close', over);
    whenFirstRecord(socket, () => queue.enter(handshake));
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.disableRenegotiation();
    handshakes.get(nameOf(socket))?.over();
  });
  return {
    server,
    endHandshakes: () => {
      for (const { socket } of handshakes.values()) socket.destroy();
    },
    watch: () => credentials.watch((secure) => server.setSecureContext({ ...fixed, ...secure })),
    close: () => {
      credentials.close();
      queue.close();
    },
  };
}

function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
