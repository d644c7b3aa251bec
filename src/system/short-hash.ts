import { createHash } from 'node:crypto';

/** Of SHA-256, in URL-safe base 64: 6 bits a character. */
export function shortHash(text: string, length: number): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, length);
}
