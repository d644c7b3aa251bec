/**
 * From an upgrade request to a WebSocket: what the peer shows, who that makes it, and whether it is
 * let in. It is refused in HTTP: no connection, and nothing of the node, is made for it before.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type ServerOptions, type WebSocket, WebSocketServer } from 'ws';
import { shareOf } from '../../core/access/address-share.ts';
import { Shares } from '../../core/shares.ts';
import type { Authentication, Who } from '../../ports/access.ts';
import { subprotocol } from '../../wire/address.ts';
import type { AcceptorLimits, AcceptorOptions } from './acceptor-options.ts';
import type { AddressCount } from './address-count.ts';
import { closeTimeoutMs } from './connection.ts';
import type { PeerAddresses } from './peer-address.ts';
import { Portions } from './portions.ts';
import { type Refusal, refusalOf } from './refusal.ts';
import { refuse, shownBy } from './shown.ts';

/** A peer that pings more often than it can be answered is ended. */
const maxPongsOwed = 60;
/** Credentials that are looked at at once, and are not known from one turn to the next. */
const maxVerifying = 64;

export interface Upgraded {
  readonly webSocket: WebSocket;
  readonly socket: Duplex;
  readonly address: string;
  readonly authenticated: Who | null;
  readonly check: ((proof: string) => Who | null) | undefined;
}

interface UpgradesGiven {
  readonly options: AcceptorOptions;
  readonly limits: AcceptorLimits;
  readonly addresses: PeerAddresses;
  /** Those that were let in. */
  readonly peers: AddressCount;
  readonly isStopping: () => boolean;
  readonly opened: (peer: Upgraded) => void;
}

interface Upgrade {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

export class Upgrades {
  readonly #given: UpgradesGiven;
  readonly #options: AcceptorOptions;
  readonly #addresses: PeerAddresses;
  readonly #webSockets: WebSocketServer;
  readonly #starts = new Portions();
  readonly #verifying = new Shares(maxVerifying);

  constructor(given: UpgradesGiven) {
    const { options, limits } = given;
    this.#given = given;
    this.#options = options;
    this.#addresses = given.addresses;
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
      this.#refuse(request, socket, { status: 400, text });
    });
  }

  /** In its portion. */
  add(upgrade: Upgrade): void {
    this.#starts.later(() => this.#begin(upgrade));
  }

  #begin(upgrade: Upgrade): void {
    const { request, socket } = upgrade;
    const { authenticate, tls, clock } = this.#options;
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
      this.#authenticated(found, upgrade);
      return;
    }
    this.#verifying.take(origin, 1);
    const release = (): void => this.#verifying.take(origin, -1);
    found.then(release, release);
    const patience = clock.setTimer(this.#given.limits.handshakeTimeoutMs, () => {
      this.#refuse(request, socket, tooLong);
    });
    found
      .then((answer) => {
        patience.cancel();
        if (!socket.destroyed && socket.writable) this.#authenticated(answer, upgrade);
      })
      .catch((error: unknown) => {
        patience.cancel();
        this.#options.problem?.(error as Error);
        // Or it took too long, and was told so.
        if (!socket.destroyed && socket.writable) this.#refuse(request, socket, unknowable);
      });
  }

  #refuse(request: IncomingMessage, socket: Duplex, refusal: Refusal): void {
    refuse(socket, refusal.status, refusal.text);
    this.#options.refused?.({ address: this.#addresses.of(request), ...refusal });
  }

  /** Once before anyone looks at who it is, and once when that is known: meanwhile others come. */
  #refusal(request: IncomingMessage, wrong: string | null): Refusal | null {
    const { limits, peers } = this.#given;
    const share = shareOf(this.#addresses.of(request));
    return refusalOf(request, {
      origins: this.#options.origins ?? [],
      hostNames: this.#options.hostNames?.() ?? [],
      isPrivate: this.#options.tls !== undefined,
      wrong,
      stopping: this.#given.isStopping(),
      full: peers.total >= limits.maxConnections,
      fullForAddress: peers.of(share) >= limits.maxConnectionsPerAddress,
    });
  }

  #authenticated(found: Authentication, { request, socket, head }: Upgrade): void {
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
      this.#given.opened({
        webSocket,
        socket,
        address,
        authenticated: found.status === 'right' ? found.who : null,
        check: found.status === 'challenged' ? found.check : undefined,
      });
    });
    this.#webSockets.off('headers', addHeaders);
  }
}

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
