/** Etcd's accounts as someone who may change them sees them: calls of its service `Auth`. */
import type { CallOptions } from '@grpc/grpc-js';
import type { Etcd3 } from 'etcd3';
import { thrownLine } from '../../core/thrown.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
import { type EtcdAccess, etcd3Client, isTokenRefused } from '../etcd/client.ts';
import { etcdErrorText, inWords } from '../etcd/error-text.ts';
import { EtcdLogin, loginTimeoutMs } from '../etcd/login.ts';
import type { Permission, Right } from './rights.ts';

/** Whoever etcd does not tell that it has no accounts in use is asked for one. */
const notInUse = /authentication is not enabled/;
const unanswered = /UNAVAILABLE|DEADLINE_EXCEEDED|No connection established|not answer/;

const permissionNumbers: Readonly<Record<Permission, number>> = { read: 0, write: 1, readwrite: 2 };

export class EtcdAdmin {
  readonly #access: EtcdAccess;
  readonly #client: Etcd3;
  readonly #login: EtcdLogin | null;
  /** Whether etcd asks for accounts. */
  readonly inUse: boolean;

  private constructor(access: EtcdAccess, given: { endpoint: string; inUse: boolean }) {
    const { clock, random, auth } = access;
    this.#access = { ...access, endpoints: [given.endpoint] };
    this.inUse = given.inUse;
    this.#login =
      auth === undefined || !given.inUse
        ? null
        : new EtcdLogin({ clock, random, authenticate: () => this.authenticate(auth) });
    this.#client = etcd3Client(access, given.endpoint, this.#login);
  }

  /** At the first endpoint that answers. Where no accounts are in use, none is shown. */
  static async connect(access: EtcdAccess): Promise<EtcdAdmin> {
    let last: unknown;
    for (const endpoint of access.endpoints) {
      try {
        return new EtcdAdmin(access, { endpoint, inUse: await asksForAccounts(access, endpoint) });
      } catch (error) {
        last = error;
      }
    }
    throw new DecisionLogError(
      `Etcd at ${access.endpoints.join(', ')} gave no answer; the last error: ${etcdErrorText(last)}. Check that it runs, and its addresses.`,
      { cause: inWords(last) },
    );
  }

  get endpoint(): string {
    return this.#access.endpoints[0] ?? '';
  }

  /** The same place, as another user. */
  as(auth: { readonly username: string; readonly password: string }): EtcdAdmin {
    return new EtcdAdmin({ ...this.#access, auth }, { endpoint: this.endpoint, inUse: this.inUse });
  }

  close(): void {
    this.#login?.close();
    this.#client.close();
  }

  /** Etcd checks passwords, and makes them, with bcrypt: longer than a call may usually take. */
  async authenticate(auth: {
    readonly username: string;
    readonly password: string;
  }): Promise<string> {
    const client = etcd3Client(this.#access, this.endpoint);
    try {
      const { username: name, password } = auth;
      const { token } = await client.auth.authenticate({ name, password }, this.#patience());
      return token;
    } finally {
      client.close();
    }
  }

  /** Null: no such role. */
  async role(name: string): Promise<readonly Right[] | null> {
    const found = await this.#unlessMissing(({ auth }, options) =>
      auth.roleGet({ role: name }, options),
    );
    return (
      found?.perm.map(({ permType, key, range_end: rangeEnd }) => ({
        permission: permType.toLowerCase() as Permission,
        key,
        rangeEnd,
      })) ?? null
    );
  }

  addRole(name: string): Promise<void> {
    return this.#change(({ auth }, options) => auth.roleAdd({ name }, options));
  }

  grant(name: string, { permission, key, rangeEnd }: Right): Promise<void> {
    // By number: its types want names that its own messages do not know.
    const permType = permissionNumbers[permission] as never;
    return this.#change(({ auth }, options) =>
      auth.roleGrantPermission({ name, perm: { permType, key, range_end: rangeEnd } }, options),
    );
  }

  revoke(role: string, { key, rangeEnd }: Right): Promise<void> {
    return this.#change(({ auth }, options) =>
      auth.roleRevokePermission({ role, key, range_end: rangeEnd }, options),
    );
  }

  /** Its roles. Null: no such user. */
  async user(name: string): Promise<readonly string[] | null> {
    const found = await this.#unlessMissing(({ auth }, options) => auth.userGet({ name }, options));
    return found?.roles ?? null;
  }

  /** Null: one that has no password, and comes with a certificate. */
  addUser(name: string, password: string | null): Promise<void> {
    const options = { no_password: password === null };
    return this.#change(({ auth }, more) =>
      auth.userAdd({ name, password: password ?? '', options }, more),
    );
  }

  setPassword(name: string, password: string): Promise<void> {
    return this.#change(({ auth }, options) =>
      auth.userChangePassword({ name, password }, options),
    );
  }

  grantRole(user: string, role: string): Promise<void> {
    return this.#change(({ auth }, options) => auth.userGrantRole({ user, role }, options));
  }

  enable(): Promise<void> {
    return this.#change(({ auth }, options) => auth.authEnable(options));
  }

  /** One call, with a newer token where etcd no longer takes this one: a change outdates all. */
  async call<T>(body: (client: Etcd3, options: CallOptions) => Promise<T>): Promise<T> {
    const token = await this.#login?.token();
    try {
      return await body(this.#client, this.#patience());
    } catch (error) {
      if (this.#login === null || token === undefined || !isTokenRefused(error)) throw error;
      this.#login.refused(token);
      await this.#login.token();
      return await body(this.#client, this.#patience());
    }
  }

  async #change(body: (client: Etcd3, options: CallOptions) => Promise<unknown>): Promise<void> {
    await this.call(body);
  }

  async #unlessMissing<T>(
    body: (client: Etcd3, options: CallOptions) => Promise<T>,
  ): Promise<T | null> {
    try {
      return await this.call(body);
    } catch (error) {
      if (/(role|user) name not found/.test(thrownLine(error))) return null;
      throw error;
    }
  }

  #patience(): { deadline: number } {
    return { deadline: this.#access.clock.wallMs() + loginTimeoutMs };
  }
}

/** By a login that cannot succeed: where no accounts are in use etcd says that first. */
export async function asksForAccounts(
  access: Pick<EtcdAccess, 'tls' | 'clock'>,
  endpoint: string,
  timeoutMs: number = loginTimeoutMs,
): Promise<boolean> {
  const client = etcd3Client(access, endpoint);
  try {
    const deadline = access.clock.wallMs() + timeoutMs;
    await client.auth.authenticate({ name: 'root', password: '' }, { deadline });
    return true;
  } catch (error) {
    const text = thrownLine(error);
    if (notInUse.test(text)) return false;
    if (unanswered.test(text)) throw error;
    return true;
  } finally {
    client.close();
  }
}
