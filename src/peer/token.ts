import { maxTokenBytes } from '../wire/limits.ts';

/** It travels in a header of HTTP, where nothing else arrives as it was sent. */
export const tokenText: string = `1 to ${maxTokenBytes} visible characters of ASCII, without spaces`;

export function isTokenText(token: string): boolean {
  return token.length <= maxTokenBytes && /^[\x21-\x7e]+$/.test(token);
}

/** Throws a TypeError for a token that cannot be sent. */
export function checkToken(token: string | undefined): void {
  if (token === undefined || (typeof token === 'string' && isTokenText(token))) return;
  throw new TypeError(`token must be ${tokenText}`);
}
