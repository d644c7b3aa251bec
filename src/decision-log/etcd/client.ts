/**
 * Connections to etcd: etcd3 as a thin stub for its gRPC services.
 *
 * Each rule here answers something that was seen with the client's defaults:
 * - Its fault handling sends a failed write again by itself. A put-if-absent then says "there
 *   already", for our own first attempt had landed: a leader would abort what it committed. Off.
 * - A call has no deadline: one hung for 25 s. Every call here has one.
 * - An error of one call resets every service of the client, so a slow write took the lease's
 *   stream with it, and the leadership. Writes, lease and watches have a client each.
 * - A call goes to a random endpoint, so a dead member fails every third call. One client for each
 *   endpoint, kept until it fails, then the next.
 * - A client reconnects with the certificates that it was made with. After a failure one is made
 *   anew where the files have changed: `clients.ts`.
 * - Each client logs in for itself, within the time of a call. One login for all: `login.ts`.
 */
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { ConstantBackoff, noop } from 'cockatiel';
import {
  Etcd3,
  type ILeaseKeepAliveRequest,
  type ILeaseKeepAliveResponse,
  type IWatchRequest,
  type IWatchResponse,
} from 'etcd3';
import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { EtcdLogin } from './login.ts';
import { type EtcdTls, readEtcdTls } from './tls-files.ts';

/** A call that goes on: requests out, responses in. */
export interface EtcdStream<Request, Response> {
  write(request: Request): void;
  cancel(): void;
  on(event: 'data', listener: (response: Response) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** What the log uses of a client of one endpoint: etcd3's, or a simulation's. */
export interface EtcdStub {
  readonly kv: Pick<Etcd3['kv'], 'txn' | 'range' | 'compact'>;
  readonly leaseClient: Pick<
    Etcd3['leaseClient'],
    'leaseGrant' | 'leaseRevoke' | 'leaseTimeToLive'
  > & {
    leaseKeepAlive(): Promise<EtcdStream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>>;
  };
  readonly watchClient: { watch(): Promise<EtcdStream<IWatchRequest, IWatchResponse>> };
  close(): void;
}

export interface EtcdAccess {
  /** `http://host:port` or `https://host:port`, of one etcd cluster. */
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTls | undefined;
  readonly auth?: { readonly username: string; readonly password: string };
  readonly clock: Clock;
  readonly random: Pick<Random, 'fraction'>;
  /** The client of an endpoint. Default: etcd3's. */
  readonly connect?: (endpoint: string) => EtcdStub;
}

export const callTimeoutMs = 1_000;

/** A member without a leader stays silent, unless it is told to end such streams. */
const demandLeader: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start(metadata, listener, next) {
      const own = metadata.clone();
      own.set('hasleader', 'true');
      next(own, listener);
    },
  });

/** Etcd has forgotten the token, or an account was changed since. Nothing was done then. */
const ofToken = /invalid auth token|revision of auth store is old/;
const refusedText = 'etcd refused the token of its own login';

export function isTokenRefused(error: unknown): boolean {
  return error instanceof Error && error.message.includes(refusedText);
}

/**
 * Shows the newest token with a call; without one etcd says that it wants one. A refusal gets a
 * text of its own: by etcd's, etcd3 would send the call again forever.
 */
function showToken(login: EtcdLogin): Interceptor {
  return (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start(metadata, _listener, next) {
        const own = metadata.clone();
        if (login.current !== null) own.set('token', login.current);
        next(own, {
          onReceiveStatus: (status, pass) =>
            pass(ofToken.test(status.details) ? { ...status, details: refusedText } : status),
        });
      },
    });
}

export function etcd3Client(
  { tls, clock }: Pick<EtcdAccess, 'tls' | 'clock'>,
  endpoint: string,
  login: EtcdLogin | null = null,
): Etcd3 {
  const shown = login === null ? [] : [showToken(login)];
  const pem = tls === undefined ? null : readEtcdTls(tls);
  return new Etcd3({
    hosts: endpoint,
    ...(pem !== null && {
      credentials: {
        rootCertificate: pem.ca,
        ...(pem.key !== undefined && { privateKey: pem.key }),
        ...(pem.cert !== undefined && { certChain: pem.cert }),
      },
    }),
    faultHandling: {
      host: () => noop,
      global: noop,
      watchBackoff: new ConstantBackoff(100).next(),
    },
    defaultCallOptions: (call) =>
      call.isStream
        ? { interceptors: [demandLeader, ...shown] }
        : { deadline: clock.wallMs() + callTimeoutMs, interceptors: shown },
    grpcOptions: {
      'grpc.use_local_subchannel_pool': 1,
      // Members are near: `http_proxy`, which grpc would obey, is not meant for them.
      'grpc.enable_http_proxy': 0,
      // Below 5 s etcd closes the connection for pinging too much.
      'grpc.keepalive_time_ms': 6_000,
      'grpc.keepalive_timeout_ms': 2_000,
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 500,
    },
  });
}
