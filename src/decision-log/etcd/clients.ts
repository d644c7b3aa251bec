/** One process's connections to etcd: a client for each purpose, at one endpoint until it fails. */
import { EtcdPermissionDeniedError, GRPCResourceExhastedError } from 'etcd3';
import { DecisionLogError } from '../../ports/decision-log.ts';
import {
  callTimeoutMs,
  type EtcdAccess,
  type EtcdStub,
  etcd3Client,
  isTokenRefused,
} from './client.ts';
import { EtcdLogin, loginTimeoutMs } from './login.ts';

/** Above the call's own deadline, which it only backs up. */
const guardTimeoutMs: number = callTimeoutMs + 500;

/** Null where this etcd is used without an account. */
function loginOf(access: EtcdAccess): EtcdLogin | null {
  const { auth, endpoints, clock, random } = access;
  if (auth === undefined) return null;
  let next = Math.floor(random.fraction() * endpoints.length);
  return new EtcdLogin({
    clock,
    random,
    authenticate: async () => {
      // Another member each time: the last one may be the one that is down, or busy.
      const endpoint = endpoints[next % endpoints.length] ?? '';
      next += 1;
      const client = etcd3Client(access, endpoint);
      try {
        const { username: name, password } = auth;
        const deadline = clock.wallMs() + loginTimeoutMs;
        const { token } = await client.auth.authenticate({ name, password }, { deadline });
        return token;
      } finally {
        client.close();
      }
    },
  });
}

/** One client for each endpoint; one of them is in use until it fails. */
export class StickyClient {
  readonly #access: EtcdAccess;
  readonly #login: EtcdLogin | null;
  readonly #clients = new Map<string, EtcdStub>();
  #index: number;

  constructor(access: EtcdAccess, options: { startAt: number; login: EtcdLogin | null }) {
    const { startAt, login } = options;
    this.#access = access;
    this.#login = login;
    this.#index = startAt % access.endpoints.length;
  }

  get endpoint(): string {
    return this.#access.endpoints[this.#index] ?? '';
  }

  current(): EtcdStub {
    const { endpoint } = this;
    let client = this.#clients.get(endpoint);
    if (client === undefined) {
      client = this.#access.connect?.(endpoint) ?? etcd3Client(this.#access, endpoint, this.#login);
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
    const token = await this.#login?.token();
    try {
      return await this.#once(body);
    } catch (error) {
      if (this.#login === null || token === undefined || !isTokenRefused(error)) throw error;
      // Refused before anything was done: the same again, with a token that etcd knows.
      this.#login.refused(token);
      await this.#login.token();
      return this.#once(body);
    }
  }

  async #once<T>(body: (client: EtcdStub) => Promise<T>): Promise<T> {
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
        error instanceof GRPCResourceExhastedError ||
        error instanceof EtcdPermissionDeniedError ||
        isTokenRefused(error);
      if (!everywhere) this.moveOn(client);
      throw error;
    } finally {
      timer.cancel();
    }
  }

  /**
   * A stream to the endpoint in use. One that is refused for its token says so too late: a call
   * beforehand finds out that etcd has forgotten the token, as after a restart.
   */
  async openStream<T>(open: (client: EtcdStub) => Promise<T>): Promise<T> {
    if (this.#login !== null) {
      // Whether the key may be read, or is there, is of no interest.
      await this.call((client) => client.kv.range({ key: Buffer.from('/') })).catch(
        () => undefined,
      );
    }
    const client = this.current();
    try {
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

/** Begins at any endpoint, so that the nodes of a cluster spread over etcd's members. */
export function connectEtcd(access: EtcdAccess): EtcdClients {
  const { endpoints, random } = access;
  if (endpoints.length === 0) throw new DecisionLogError('Name at least one endpoint of etcd.');
  const startAt = Math.floor(random.fraction() * endpoints.length);
  const login = loginOf(access);
  const kv = new StickyClient(access, { startAt, login });
  const lease = new StickyClient(access, { startAt, login });
  const watch = new StickyClient(access, { startAt, login });
  return {
    kv,
    lease,
    watch,
    close: () => {
      login?.close();
      for (const client of [kv, lease, watch]) client.close();
    },
  };
}
