/**
 * Connections with ordered, best-effort messages. The WebSocket transport and the simulated one
 * implement it. A transport validates what it receives: a handler never sees a malformed message.
 */
import type { ErrorCode } from '../core/catalogue.ts';
import type { FromNode, ToNode } from '../core/messages.ts';
import type { Who } from './access.ts';

/** Why a connection ended, as far as this side can tell. */
export interface CloseInfo {
  /** WebSocket close code; 1006 where there was no close frame. */
  readonly code: number;
  readonly reason: string;
  /**
   * `refused`: no one listens at the address: hard evidence that the process is gone.
   * `reset`: the other side ended an open connection without a close frame.
   * `silent`: no sign of life within the heart-beat limit. `closed`: an orderly close.
   */
  readonly kind: 'refused' | 'reset' | 'silent' | 'closed' | 'failed';
  /** The HTTP status with which the upgrade was refused. */
  readonly status?: number;
  /** What came with it: one line, for people. */
  readonly said?: string;
}

/** What a peer shows a node that asks for it. */
export type Credential = TokenCredential | { readonly jwt: string };

export interface TokenCredential {
  readonly token: string;
  /** It came with the token. An address that a node advertises is proved to by its name. */
  readonly given: boolean;
}

/** Which listener it came by: everyone's, or that of operators. */
export type Door = 'all' | 'operators';

export interface Connection<Out> {
  readonly remoteAddress: string;
  /**
   * Queues a message. Messages sent in one turn of the event loop leave in one frame, in order.
   * Dropped silently once the connection is closed: delivery is never promised.
   */
  send(message: Out): void;
  /** Sends what is queued, then closes. */
  close(code: number, reason: string): void;
  /** Drops the connection without a word. */
  terminate(): void;
  /** How long ago the last answered ping was sent, sleep included; at first, since it opened. */
  answeredPingAgeMs(): number;
  /** Bytes accepted by `send` that the peer has not taken yet. */
  bufferedBytes(): number;
  /** Where this side listens: who the peer showed to be as it came; null: no one yet. */
  readonly authenticated?: Who | null;
  /** Where this side listens and asked for a proof: who brings this one. */
  readonly check?: ((proof: string) => Who | null) | undefined;
  /** Where this side dials, by a token: that it knows it, for its hello. */
  readonly proof?: string | undefined;
  /** Whether what is sent is encrypted. */
  readonly isPrivate?: boolean;
  /** Where this side listens. Default `all`. */
  readonly door?: Door;
  /** Where this side listens: the peer is let in; from now on it may send what the limits allow. */
  greeted?(): void;
  /** Where this side listens: asked after each read, for how long to read nothing more. */
  paceInput?(waitMs: (bytes: number) => number): void;
}

export interface ConnectionHandler<In> {
  message(message: In): void;
  /** A well-framed message broke the rules; the transport goes on with the next. */
  invalid(problem: { code: ErrorCode; message: string; id?: number }): void;
  /** Called once. */
  closed(info: CloseInfo): void;
}

export interface HeldBytes {
  readonly bytes: number;
  readonly maxBytes: number;
}

export interface Listener {
  /** The address really bound: `host:port`. */
  readonly address: string;
  readonly port: number;
  /** Of the addresses that lead here. Default `ws`. */
  readonly scheme?: 'ws' | 'wss';
  /** Bytes of all connections since it listens. */
  traffic?(): { readonly input: number; readonly output: number };
  /** What is held of all connections: not handled yet, and not read by its peer. */
  held?(): { readonly input: HeldBytes; readonly output: HeldBytes };
  close(): Promise<void>;
}

export interface ConnectOptions {
  readonly url: string;
  readonly timeoutMs: number;
  readonly heartbeatMs: number;
  readonly credential?: Credential | undefined;
  /**
   * With TLS: names of which the node's certificate must have one, beside being for the address.
   * For an address that was only advertised. Absent: an address that its owner named.
   */
  readonly names?: readonly string[] | undefined;
}

/** The side that dials: clients, participants, nodes towards nodes. */
export interface Dialer {
  /**
   * `opened` is called once when the connection stands and returns its handler; where it never
   * stands, `failed` is called once instead.
   */
  connect(
    options: ConnectOptions,
    events: {
      opened(connection: Connection<ToNode>): ConnectionHandler<FromNode>;
      failed(info: CloseInfo): void;
    },
  ): { cancel(): void };
}

/** The side that listens: nodes. */
export interface Acceptor {
  listen(
    accept: (connection: Connection<FromNode>) => ConnectionHandler<ToNode>,
  ): Promise<Listener>;
}
