/**
 * The header Idempotency-Key, as draft-ietf-httpapi-idempotency-key-header has it: a string of RFC
 * 8941, in quotes. Many clients send it without them; the key is the same then.
 */
import { shortHash } from '../system/short-hash.ts';

/** As most services that take such keys: a UUID has 36. */
export const maxKeyLength = 255;

/** Printable ASCII; a quote and a backslash stand behind a backslash. */
const quoted = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/;
/** Without what could be the rest of a list, of parameters, or of a broken string. */
const bare = /^[!#-+\--:<-[\]-~]+$/;

export type ParsedKey =
  | { readonly key: string }
  /** What is wrong with it, for the one who sent it. */
  | { readonly problem: string };

/** Null: the request has none. Node gives several headers of this name as one, with commas. */
export function parseKey(header: string | readonly string[] | undefined): ParsedKey | null {
  if (header === undefined) return null;
  const text = (typeof header === 'string' ? header : header.join(', ')).trim();
  const inQuotes = quoted.exec(text)?.[1]?.replaceAll(/\\(["\\])/g, '$1');
  const key = inQuotes ?? (bare.test(text) ? text : undefined);
  if (key === undefined) {
    return {
      problem:
        'Idempotency-Key must be one string of printable ASCII characters in double quotes, such as "8e03978e-40d5-43dd-bc93-6894a57f9324".',
    };
  }
  if (key === '') return { problem: 'Idempotency-Key must not be empty.' };
  if (key.length <= maxKeyLength) return { key };
  return { problem: `Idempotency-Key must have ${maxKeyLength} characters at most.` };
}

/**
 * The id of one transaction of a request. A hash: a scope and a key may be longer than an id may
 * be, and no two of them may run into each other, whatever characters they have.
 */
export function requestIdOf(part: {
  readonly scope: string;
  readonly key: string;
  readonly step: string;
}): string {
  const { scope, key, step } = part;
  return `http-${shortHash(JSON.stringify([scope, key, step]), 43)}`;
}
