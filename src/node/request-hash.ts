/** The hash of a request's content: the same id with another hash is a conflict, not a repeat. */
import { createHash } from 'node:crypto';
import { defaultLockGroup } from '../core/locks/names.ts';
import { normalWants } from '../core/locks/table.ts';
import type { Transact } from '../core/messages.ts';

/**
 * Over the branches, and the locks if there are any: time-out and labels may differ between
 * attempts. Keys of maps are sorted, so that a client in another language, or one that builds its
 * payload anew, sends the same request.
 */
export function requestHash({
  branches,
  locks,
  lockGroup,
}: Pick<Transact, 'branches' | 'locks' | 'lockGroup'>): string {
  const hash = createHash('sha256');
  for (const { branch, participant, payload } of branches) {
    hash.update(
      canonical([branch ?? participant, participant, payload === undefined ? null : payload]),
    );
    hash.update('\n');
  }
  if ((locks ?? []).length > 0 || lockGroup !== undefined) {
    const wants = normalWants(
      (locks ?? []).flatMap(({ keys, mode = 'exclusive' }) => keys.map((key) => ({ key, mode }))),
    );
    hash.update(canonical(['locks', lockGroup ?? defaultLockGroup, wants]));
    hash.update('\n');
  }
  return hash.digest('base64url').slice(0, 32);
}

function canonical(value: unknown): string {
  if (value instanceof Uint8Array) return `b${Buffer.from(value).toString('base64')}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value).sort();
    const pairs = keys.map(
      (key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`,
    );
    return `{${pairs.join(',')}}`;
  }
  if (typeof value === 'string') return JSON.stringify(value);
  // Numbers, bigints, booleans, null: 1 and 1n are the same number on the wire.
  return String(value);
}
