/** What peers said, as far as a log may show it. */
import { servedElsewhere } from '../core/other-cluster.ts';

/** Names of rules in the access file, and of a JWT's fields: no peer's, and worth reading. */
const ours: ReadonlySet<string> = new Set(
  [
    'roles participants clients calls labels lockGroups sees',
    'quotas.connections quotas.bytesPerSecond quotas.transactions quotas.locks',
    'quotas.requestIdsPerSecond quotas.requestIds quotas.instances',
    'iss sub aud exp nbf iat alg typ kid crit b64',
  ].flatMap((line) => line.split(' ')),
);

/**
 * Why a message was refused, for a log: without the keys and values that the answer to its peer
 * quotes. A payload or a token in the wrong place is still one. Where it was cut there may be no
 * end of the quotation.
 */
export function unquoted(text: string): string {
  return text.replace(/"((?:[^"\\]|\\.)*)(?:"|\\?$)/g, (all, word: string) =>
    ours.has(word) ? all : '"..."',
  );
}

/** No word of ours is as long, and every token is. */
const long = /[^\s"':;,()]{20,}/g;

/** Why a connection was closed: any text, where the other side did it. */
export function unquotedReason(close: { readonly code: number; readonly reason: string }): string {
  if (isPlain(servedElsewhere(close))) return close.reason;
  return unquoted(close.reason).replace(long, '...');
}

/** As ids of clusters are. */
function isPlain(id: string | null): boolean {
  return id !== null && /^[a-z0-9]{1,32}$/.test(id);
}
