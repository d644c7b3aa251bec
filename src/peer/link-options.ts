/** What a link is given, and what it tells. */
import type { FromNode, Hello, Welcome } from '../core/messages.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { CloseInfo, Dialer, TokenCredential } from '../ports/transport.ts';
import type { JwtSource } from './jwt-source.ts';
import type { NotLeader } from './requests.ts';
import type { VerdictError } from './verdict-error.ts';

export type LinkCredential = TokenCredential | { readonly jwt: JwtSource };

export interface LinkOptions {
  /** `host:port`, `ws://host:port` or `http://host:port`; the path /v1 is added. */
  readonly url: string;
  readonly dialer: Dialer;
  readonly clock: Clock;
  readonly random: Random;
  /** For a node that asks for a token. */
  readonly credential?: LinkCredential | undefined;
  /** As the dialer's: of nodes at addresses that were only advertised. */
  readonly names?: readonly string[] | undefined;
  readonly hello: () => Omit<Hello, 'type' | 'protocol'>;
  /** For the WebSocket handshake, and again from there to the welcome. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** How often the node is pinged; one that answers none of two is given up. Default 5,000. */
  readonly heartbeatMs?: number;
  /** The first pause before the next dial; it doubles, with jitter. Default 50. */
  readonly retryDelayMs?: number;
  /** Default 2,000. */
  readonly maxRetryDelayMs?: number;
  /** Why a node that welcomes is not to be served; null: it is. */
  readonly refuses?: (welcome: Welcome) => Refusal | null;
  readonly events: LinkEvents;
}

/** Of a node, by this side. */
export interface Refusal {
  readonly error: VerdictError;
  /** For the node's log. */
  readonly close: { readonly code: number; readonly reason: string };
}

export interface LinkEvents {
  /** After every (re)connect; requests may be sent from here on. */
  welcome?(welcome: Welcome): void;
  /** Everything that is not a reply to a request of this link. */
  message?(message: FromNode): void;
  /** In the order of this node's messages. */
  notLeader?(said: NotLeader): void;
  /** A connection that had been welcomed ended; the link goes on trying by itself. */
  lost?(info: CloseInfo): void;
  /** A dial or a greeting failed; the link goes on trying by itself. */
  failed?(info: CloseInfo): void;
  /** The node refused the hello: tried again only rarely, until a token or setting is corrected. */
  refused?(error: VerdictError): void;
  /** There is no fresh JWT to show; a dial that needs it fails. It is asked for again. */
  withoutJwt?(problem: string): void;
}
