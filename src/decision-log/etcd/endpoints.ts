/** Addresses of etcd's members as people write them, for every way in: CLI, options, library. */
import type { EtcdAccess } from './client.ts';

const defaultPort = '2379';
const wanted = 'http://host:2379 or https://host:2379';

/** `scheme://host:port` each, none twice. Throws a TypeError that says what is wrong. */
export function etcdEndpoints(given: unknown): string[] {
  if (typeof given === 'string' || !Array.isArray(given)) {
    throw new TypeError(
      `endpoints must be a list of the addresses of etcd's members, such as ['http://127.0.0.1:2379']${typeof given === 'string' ? ', and not one text' : ''}.`,
    );
  }
  if (given.length === 0) throw new TypeError('Give the address of one etcd member at least.');
  return [...new Set(given.map(etcdEndpoint))];
}

function etcdEndpoint(given: unknown): string {
  const text = String(given).trim();
  const whole = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : null;
  if (url !== null && (url.username !== '' || url.password !== '')) {
    throw new TypeError(
      `An address of etcd holds no user and no password (${url.hostname}): give them as auth, or to the command as --etcd-user and --etcd-password-file.`,
    );
  }
  const isPlain =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.hostname !== '' &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '';
  if (!isPlain)
    throw new TypeError(`${JSON.stringify(text)} is no address of etcd. Write ${wanted}.`);
  return `${url.protocol}//${url.hostname}:${portOf(url, whole)}`;
}

/** The parser drops the port that a scheme has by itself, whether it was written or not. */
function portOf(url: URL, text: string): string {
  if (url.port !== '') return url.port;
  const [, written] = /:(80|443)\/?$/.exec(text) ?? [];
  return written ?? defaultPort;
}

/** Where a simulation makes the connections, the names are its own. */
export function withEndpoints<Access extends Pick<EtcdAccess, 'endpoints' | 'connect'>>(
  access: Access,
): Access {
  if (access.connect !== undefined) return access;
  return { ...access, endpoints: etcdEndpoints(access.endpoints) };
}
