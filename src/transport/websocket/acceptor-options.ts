/** What a side that listens is told: where, for whom, and how much of each it takes. */
import type { RequestListener } from 'node:http';
import { coordinatorOptionTable } from '../../core/coordinator-options.ts';
import type { Authentication, Shown } from '../../ports/access.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Door } from '../../ports/transport.ts';
import type { AcceptorTls } from '../tls/server-credentials.ts';

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
export type AcceptorLimits = Readonly<Record<OptionName, number>>;

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
  /** Of this node, besides its addresses: by these its own page may reach it. */
  readonly hostNames?: () => readonly string[];
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

export function limitsOf(options: AcceptorOptions): AcceptorLimits {
  const limits = Object.fromEntries(
    optionNames.map((name) => [name, options[name] ?? coordinatorOptionTable[name].default]),
  ) as Record<OptionName, number>;
  for (const name of ['maxInputBytes', 'maxOutputBytes'] as const) {
    limits[name] ||= Number.MAX_SAFE_INTEGER;
  }
  return limits;
}
