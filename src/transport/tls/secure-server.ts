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
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { shareOf } from '../../core/access/address-share.ts';
import type { Clock } from '../../ports/clock.ts';
import { type Authorities, authoritiesIn, vouchFor } from './authorities.ts';
import { whenFirstRecord } from './first-record.ts';
import { type Handshake, HandshakeQueue } from './handshake-queue.ts';
import { type AcceptorTls, ServerCredentials } from './server-credentials.ts';

export interface SecureServer {
  readonly server: Server;
  /** Ends those whose handshake is not over. */
  endHandshakes(): void;
  /**
   * Looks whether the files have changed, until it is closed. `look`: those of --tls-client-ca are
   * others; this one is to be ended where they do not vouch for it. To find out takes its time.
   */
  watch(look: (socket: TLSSocket, isVouchedFor: () => boolean) => void): void;
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
  const first = credentials.first();
  let authorities = authoritiesOf(first);
  const open = new Set<TLSSocket>();
  const server = process.getBuiltinModule('node:https').createServer({
    ...httpOptions,
    ...fixed,
    ...first,
    requestCert: tls.clientAuth !== 'none',
    rejectUnauthorized: false,
  });
  const queue = new HandshakeQueue(clock);
  // By name: it leads from the bare socket to the one with TLS, which do not know each other.
  const handshakes = new Map<string, Begun>();
  // What Node does with a socket that was accepted: it begins the handshake.
  const begin = server.listeners('connection')[0] as (socket: Socket) => void;
  server.removeListener('connection', begin);
  server.on('connection', (socket: Socket) => {
    const name = nameOf(socket);
    // The kernel has no two of one name: the earlier one is dead, though its end was not read yet.
    // What is left to be read of it must not be taken for this one's (!): its peer comes again.
    if (handshakes.has(name)) {
      socket.destroy();
      return;
    }
    // From when it begins Node has a time-out of its own.
    const patience = clock.setTimer(options.handshakeTimeout, () => socket.destroy());
    const handshake: Handshake = {
      address: shareOf(socket.remoteAddress ?? ''),
      begin: () => {
        patience.cancel();
        if (socket.destroyed) return;
        begun.authorities = authorities;
        begin.call(server, socket);
      },
      end: () => socket.destroy(),
    };
    const over = (): void => {
      patience.cancel();
      queue.left(handshake);
      if (handshakes.get(name) === begun) handshakes.delete(name);
    };
    const begun: Begun = { socket, over, authorities };
    handshakes.set(name, begun);
    socket.once('close', over);
    whenFirstRecord(socket, () => queue.enter(handshake));
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    socket.disableRenegotiation();
    // Whose peer is gone by now has no name any more: no one waits for it.
    const begun = handshakes.get(nameOf(socket));
    begun?.over();
    // It was verified by those of its beginning (!): they may be others by now.
    const before = begun?.authorities;
    const isSame = before === authorities;
    if (before === undefined || !(isSame || vouchFor(socket, before, authorities))) {
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  return {
    server,
    endHandshakes: () => {
      for (const { socket } of handshakes.values()) socket.destroy();
    },
    watch: (look) =>
      credentials.watch((secure) => {
        server.setSecureContext({ ...fixed, ...secure });
        const before = authorities;
        const now = authoritiesOf(secure);
        authorities = now;
        if ([...before.keys()].every((one) => now.has(one))) return;
        for (const socket of open) look(socket, () => vouchFor(socket, before, now));
      }),
    close: () => {
      credentials.close();
      queue.close();
    },
  };
}

interface Begun {
  readonly socket: Socket;
  readonly over: () => void;
  /** By which its certificate is verified. */
  authorities: Authorities;
}

function authoritiesOf({ ca }: SecureContextOptions): Authorities {
  return authoritiesIn(typeof ca === 'string' ? ca : '');
}

/**
 * Both ends (!): one peer may come from one port to two addresses of this node, and the records of
 * the two must not be mixed up.
 */
function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
