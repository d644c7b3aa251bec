/** The JWT that an SDK is given: one text, or where a fresh one is had from. */
import { isJwtText } from '../wire/jwt.ts';
import { maxJwtBytes } from '../wire/limits.ts';

/** A function is called for each connection, and again before its JWT expires. */
export type Jwt = string | (() => string | Promise<string>);

export const wantedJwt: string = `a JWT as text (three parts with dots between, ${maxJwtBytes} characters at most), or a function that returns one or a promise of one`;

/** Throws a TypeError for what can be none, and where there is a token as well. */
export function checkJwt(jwt: Jwt | undefined, token: string | undefined): void {
  if (jwt === undefined) return;
  if (token !== undefined) {
    throw new TypeError('token and jwt are two credentials: give the one that the nodes know.');
  }
  if (typeof jwt !== 'function' && !isJwtText(jwt))
    throw new TypeError(`jwt must be ${wantedJwt}.`);
}
