/** Addresses of etcd's members as people write them, for every way in: CLI, options, library. */
import { maxShards } from '../../core/txid.ts';
import { DecisionLogError } from '../../ports/decision-log.ts';
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

/** Shards `first` to `last`, and the etcd that has their decisions. */
export interface EtcdPart {
  readonly first: number;
  readonly last: number;
  readonly endpoints: readonly string[];
}

const example = '0-31=host1:2379,host2:2379 and 32-63=host3:2379';

/**
 * `first-last=address,address` each: ranges of shards on several etcd clusters, in order. Null for
 * a plain list. Throws a TypeError where they are no whole map.
 */
export function etcdParts(given: unknown): readonly EtcdPart[] | null {
  if (!Array.isArray(given) || !given.some(isRange)) {
    etcdEndpoints(given);
    return null;
  }
  const parts = given.map(etcdPart).sort((a, b) => a.first - b.first);
  if (parts.length === 1) {
    throw new TypeError(
      'One range alone is no map: write its addresses without the range, or give the other ranges.',
    );
  }
  let next = 0;
  const seen = new Map<string, EtcdPart>();
  for (const part of parts) {
    const text = rangeText(part);
    if (part.first > next) {
      throw new TypeError(
        `No etcd is given for ${rangeText({ first: next, last: part.first - 1 })}. Ranges begin with shard 0 and leave none out, such as ${example}.`,
      );
    }
    if (part.first < next) {
      throw new TypeError(
        `Two etcds are given for ${rangeText({ first: part.first, last: Math.min(next - 1, part.last) })}. Each shard has one: let the ranges not overlap.`,
      );
    }
    for (const endpoint of part.endpoints) {
      const other = seen.get(endpoint);
      if (other !== undefined && other !== part) {
        throw new TypeError(
          `${endpoint} is given for ${rangeText(other)} and for ${text}. Give each range an etcd cluster of its own, or make the two one range.`,
        );
      }
      seen.set(endpoint, part);
    }
    next = part.last + 1;
  }
  if (next > maxShards) {
    throw new TypeError(
      `A cluster has at most ${maxShards} shards; the ranges end at ${next - 1}.`,
    );
  }
  return parts;
}

export function assertShards(shards: number | undefined, parts: readonly EtcdPart[]): void {
  const mapped = (parts.at(-1)?.last ?? -1) + 1;
  if (shards === undefined || shards === mapped) return;
  throw new DecisionLogError(
    `The ranges of etcd are for ${mapped} shards, 0 to ${mapped - 1}, and ${shards} were asked for. Give ranges for each of them, or leave the number out.`,
  );
}

export function rangeText({ first, last }: Pick<EtcdPart, 'first' | 'last'>): string {
  return first === last ? `shard ${first}` : `shards ${first} to ${last}`;
}

function isRange(text: unknown): boolean {
  return typeof text === 'string' && /^[^:/]*=/.test(text.trim());
}

function etcdPart(given: unknown): EtcdPart {
  const text = String(given).trim();
  const match = /^(\d{1,4})(?:-(\d{1,4}))?=(.*)$/s.exec(text);
  if (match === null) {
    throw new TypeError(
      `${JSON.stringify(text)} is no range of shards with its etcd. Where one has a range, each must: write ${example}.`,
    );
  }
  const [, from = '', to = from, list = ''] = match;
  const [first, last] = [Number(from), Number(to)];
  if (last < first) {
    throw new TypeError(
      `The range ${from}-${to} ends before it begins. Write the lower one first.`,
    );
  }
  const addresses = list.split(',').filter((part) => part.trim() !== '');
  return { first, last, endpoints: etcdEndpoints(addresses) };
}

/** Where a simulation makes the connections, the names are its own. */
export function withEndpoints<Access extends Pick<EtcdAccess, 'endpoints' | 'connect'>>(
  access: Access,
): Access {
  if (access.connect !== undefined) return access;
  return { ...access, endpoints: etcdEndpoints(access.endpoints) };
}
