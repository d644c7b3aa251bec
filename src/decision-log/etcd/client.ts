/**
 * Connections to etcd: etcd3 as a thin stub for its gRPC services, and nothing of its own judgement.
 *
 * Each rule here answers something that was seen with the client's defaults:
 * - Its fault handling sends a failed write again by itself. A put-if-absent then says "there already", for
 *   our own first attempt had landed: a leader would abort what it committed. Off.
 * - A call has no deadline: one hung for 25 s. Every call here has one.
 * - An error of one call resets every service of the client, so a slow write took the lease's
 *   stream with it, and with that the leadership. Writes, lease and watches have a client each.
 * - A call goes to a random endpoint, so a dead member fails every third call. One client for each
 *   endpoint, kept until it fails, then the next.
 */
import { InterceptingCall, type Interceptor } from '@grpc/grpc-js';
import { ConstantBackoff, noop } from 'cockatiel';
import {
  Etcd3,
  EtcdPermissionDeniedError,
  GRPCResourceExhastedError,
  type ILeaseKeepAliveRequest,
  type ILeaseKeepAliveResponse,
  type IOptions,
  type IWatchRequest,
  type IWatchResponse,
} from 'etcd3';
import type { Clock } from '../../ports/clock.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';

export interface EtcdTls {
  /** Certificate authority, PEM. */
  readonly ca: Buffer;
  /** The client's certificate and key, PEM, where etcd asks for one. */
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

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
  readonly tls?: EtcdTls;
  readonly auth?: { readonly username: string; readonly password: string };
  readonly clock: Clock;
  /** The client of an endpoint. Default: etcd3's. */
  readonly connect?: (endpoint: string) => EtcdStub;
}

/** What one call may take. */
export const callTimeoutMs = 1_000;
/** Above the call's own deadline: fetching a token beforehand has one of its own. */
const guardTimeoutMs: number = callTimeoutMs + 1_500;

/**
 * A member without a leader answers neither watches nor keep-alives, it stays silent: unless it is told to
 * end such streams.
 */
const demandLeader: Interceptor = (options, nextCall) =>
  new InterceptingCall(nextCall(options), {
    start(metadata, listener, next) {
      const own = metadata.clone();
      own.set('hasleader', 'true');
      next(own, listener);
    },
  });

function clientOptions(access: EtcdAccess, endpoint: string): IOptions {
  const { tls, auth, clock } = access;
  return {
    hosts: endpoint,
    ...(tls === undefined
      ? {}
      : {
          credentials: {
            rootCertificate: tls.ca,
            ...(tls.key === undefined ? {} : { privateKey: tls.key }),
            ...(tls.cert === undefined ? {} : { certChain: tls.cert }),
          },
        }),
    ...(auth === undefined ? {} : { auth: { ...auth } }),
    faultHandling: {
      host: () => noop,
      global: noop,
      watchBackoff: new ConstantBackoff(100).next(),
    },
    defaultCallOptions: (call) =>
      call.isStream
        ? { interceptors: [demandLeader] }
        : { deadline: clock.wallMs() + callTimeoutMs },
    grpcOptions: {
      'grpc.use_local_subchannel_pool': 1,
      // Below 5 s etcd closes the connection for pinging too much.
      'grpc.keepalive_time_ms': 6_000,
      'grpc.keepalive_timeout_ms': 2_000,
      'grpc.max_receive_message_length': -1,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 500,
    },
  };
}

/** etcd3's client of one endpoint. */
export function etcd3Client(access: EtcdAccess, endpoint: string): Etcd3 {
  return new Etcd3(clientOptions(access, endpoint));
}

/** One client for each endpoint; one of them is in use until it fails. */
export class StickyClient {
  readonly #access: EtcdAccess;
  readonly #clients = new Map<string, EtcdStub>();
  #index: number;

  constructor(access: EtcdAccess, startAt: number) {
    this.#access = access;
    this.#index = startAt % access.endpoints.length;
  }

  get endpoint(): string {
    return this.#access.endpoints[this.#index] ?? '';
  }

  current(): EtcdStub {
    const { endpoint } = this;
    let client = this.#clients.get(endpoint);
    if (client === undefined) {
      client = this.#access.connect?.(endpoint) ?? etcd3Client(this.#access, endpoint);
      this.#clients.set(endpoint, client);
    }
    return client;
  }

  /** To the next endpoint, unless another call that failed there has moved on already. */
  moveOn(from: EtcdStub): void {
    if (this.#clients.get(this.endpoint) !== from) return;
    this.#index = (this.#index + 1) % this.#access.endpoints.length;
  }

  /** One attempt. A rejection says nothing about whether etcd did it. */
  async call<T>(body: (client: EtcdStub) => Promise<T>): Promise<T> {
    const client = this.current();
    const guard = Promise.withResolvers<never>();
    const timer = this.#access.clock.setTimer(guardTimeoutMs, () =>
      guard.reject(new Error(`etcd at ${this.endpoint} did not answer in ${guardTimeoutMs} ms.`)),
    );
    try {
      return await Promise.race([body(client), guard.promise]);
    } catch (error) {
      // Of these every member would say the same.
      const everywhere =
        error instanceof GRPCResourceExhastedError || error instanceof EtcdPermissionDeniedError;
      if (!everywhere) this.moveOn(client);
      throw error;
    } finally {
      timer.cancel();
    }
  }

  /**
   * A stream to the endpoint in use. It takes the token that the client holds, and only an ordinary call finds
   * out that etcd has forgotten that token (as it does when it is restarted) and fetches another: without
   * one beforehand, the stream would be refused for ever.
   */
  async openStream<T>(open: (client: EtcdStub) => Promise<T>): Promise<T> {
    const client = this.current();
    try {
      if (this.#access.auth !== undefined) {
        // Whether the key may be read, or is there, is of no interest.
        await client.kv.range({ key: Buffer.from('/') }).catch(() => undefined);
      }
      return await open(client);
    } catch (error) {
      this.moveOn(client);
      throw error;
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
  }
}

export interface EtcdClients {
  readonly kv: StickyClient;
  readonly lease: StickyClient;
  readonly watch: StickyClient;
  close(): void;
}

/** `startAt`: the endpoint to begin with, so that the nodes of a cluster spread over etcd's members. */
export function connectEtcd(access: EtcdAccess, startAt: number): EtcdClients {
  if (access.endpoints.length === 0) {
    throw new DecisionLogError('Name at least one endpoint of etcd.');
  }
  const kv = new StickyClient(access, startAt);
  const lease = new StickyClient(access, startAt);
  const watch = new StickyClient(access, startAt);
  return {
    kv,
    lease,
    watch,
    close: () => {
      for (const client of [kv, lease, watch]) client.close();
    },
  };
}
