/**
 * One process's connections to etcd: a client for each purpose, at one endpoint until it fails.
 *
 * Certificates that were renewed are for new connections. A client would reconnect with those that
 * it was made with: so whenever something failed, clients whose certificates are others by now are
 * left, and closed when nothing is under way on them. One failed call it may cost, of those that
 * are made again anyway; no stream that works is touched, and so no lease.
 */
import { EtcdPermissionDeniedError, GRPCResourceExhastedError } from 'etcd3';
import { thrownLine } from '../../core/thrown.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import type { Logger } from '../../ports/logger.ts';
import {
  callTimeoutMs,
  type EtcdAccess,
  type EtcdStub,
  etcd3Client,
  isTokenRefused,
} from './client.ts';
import { inWords } from './error-text.ts';
import { EtcdLogin, loginTimeoutMs } from './login.ts';
import { EtcdCredentials, type EtcdPem } from './tls-files.ts';

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
      } catch (error) {
        throw inWords(error);
      } finally {
        client.close();
      }
    },
  });
}

interface Made {
  readonly stub: EtcdStub;
  /** With which it connects; null: without TLS. */
  readonly pem: EtcdPem | null;
  /** Calls and streams under way. */
  uses: number;
  /** Another takes its place. */
  isOver: boolean;
}

interface StickyOptions {
  readonly startAt: number;
  readonly login: EtcdLogin | null;
  readonly credentials: EtcdCredentials | null;
}

/** While everything fails, files are not read at each call. */
const lookPauseMs = 100;

/** One client for each endpoint; one of them is in use until it fails. */
export class StickyClient {
  readonly #access: EtcdAccess;
  readonly #login: EtcdLogin | null;
  readonly #credentials: EtcdCredentials | null;
  readonly #clients = new Map<string, Made>();
  /** Those above, and those that are over and in use. */
  readonly #made = new Map<EtcdStub, Made>();
  #index: number;
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(access: EtcdAccess, { startAt, login, credentials }: StickyOptions) {
    this.#access = access;
    this.#login = login;
    this.#credentials = credentials;
    this.#index = startAt % access.endpoints.length;
  }

  get endpoint(): string {
    return this.#access.endpoints[this.#index] ?? '';
  }

  #current(): Made {
    const { endpoint } = this;
    const known = this.#clients.get(endpoint);
    if (known !== undefined) return known;
    const pem = this.#credentials?.read() ?? null;
    const access = { ...this.#access, tls: pem ?? undefined };
    const stub = this.#access.connect?.(endpoint) ?? etcd3Client(access, endpoint, this.#login);
    const made = { stub, pem, uses: 0, isOver: false };
    this.#clients.set(endpoint, made);
    this.#made.set(stub, made);
    return made;
  }

  #use(): Made {
    const made = this.#current();
    made.uses += 1;
    return made;
  }

  /** To the next endpoint, unless another call that failed there has moved on already. */
  moveOn(from: EtcdStub): void {
    if (this.#clients.get(this.endpoint)?.stub === from)
      this.#index = (this.#index + 1) % this.#access.endpoints.length;
    this.#leaveOutdated();
  }

  #leaveOutdated(): void {
    const nowMs = this.#access.clock.monotonicMs();
    if (this.#credentials === null || nowMs - this.#lookedAtMs < lookPauseMs) return;
    this.#lookedAtMs = nowMs;
    const pem = this.#credentials.read();
    for (const [endpoint, made] of this.#clients) {
      if (made.pem === pem) continue;
      this.#clients.delete(endpoint);
      made.isOver = true;
      this.#closeUnused(made);
    }
  }

  /** A stream that `openStream` has opened is over. */
  release(stub: EtcdStub): void {
    const made = this.#made.get(stub);
    if (made === undefined) return;
    made.uses -= 1;
    this.#closeUnused(made);
  }

  #closeUnused({ stub, uses, isOver }: Made): void {
    if (!isOver || uses > 0) return;
    this.#made.delete(stub);
    stub.close();
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
    const made = this.#use();
    const guard = Promise.withResolvers<never>();
    const timer = this.#access.clock.setTimer(guardTimeoutMs, () =>
      guard.reject(new Error(`etcd at ${this.endpoint} did not answer in ${guardTimeoutMs} ms.`)),
    );
    try {
      return await Promise.race([body(made.stub), guard.promise]);
    } catch (error) {
      // Of these every member would say the same.
      const everywhere =
        error instanceof GRPCResourceExhastedError ||
        error instanceof EtcdPermissionDeniedError ||
        isTokenRefused(error);
      if (!everywhere) this.moveOn(made.stub);
      throw inWords(error);
    } finally {
      timer.cancel();
      this.release(made.stub);
    }
  }

  /**
   * A stream to the endpoint in use. One that is refused for its token says so too late: a call
   * beforehand finds out that etcd has forgotten the token, as after a restart. Its stub is to be
   * released once the stream is over.
   */
  async openStream<T>(
    open: (client: EtcdStub) => Promise<T>,
  ): Promise<{ readonly stream: T; readonly stub: EtcdStub }> {
    if (this.#login !== null) {
      // Whether the key may be read, or is there, is of no interest.
      await this.call((client) => client.kv.range({ key: Buffer.from('/') })).catch(
        () => undefined,
      );
    }
    const { stub } = this.#use();
    try {
      return { stream: await open(stub), stub };
    } catch (error) {
      this.moveOn(stub);
      this.release(stub);
      throw inWords(error);
    }
  }

  close(): void {
    for (const stub of this.#made.keys()) stub.close();
    this.#made.clear();
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
export function connectEtcd(access: EtcdAccess & { readonly logger?: Logger }): EtcdClients {
  const { endpoints, random, tls, logger } = access;
  if (endpoints.length === 0) throw new DecisionLogError('Name at least one endpoint of etcd.');
  const startAt = Math.floor(random.fraction() * endpoints.length);
  const login = loginOf(access);
  const problem = (error: Error): void =>
    logger?.error({ error: thrownLine(error) }, unusableFiles);
  const credentials = tls === undefined ? null : new EtcdCredentials(tls, problem);
  const options = { startAt, login, credentials };
  const kv = new StickyClient(access, options);
  const lease = new StickyClient(access, options);
  const watch = new StickyClient(access, options);
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

const unusableFiles =
  'The TLS files for etcd have changed and cannot be used; new connections are made with those before. Mend the files: they are read again at the next failure.';
