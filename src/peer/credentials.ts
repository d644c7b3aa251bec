/** What an SDK shows the nodes. Loaded only where it is given anything to show. */
import type { TlsOptions } from '../ports/tls.ts';
import { checkJwt, type Jwt } from './jwt.ts';
import { JwtSource } from './jwt-source.ts';
import { checkTls } from './tls.ts';
import { checkToken } from './token.ts';

export interface Credentials {
  readonly tls?: TlsOptions | undefined;
  readonly token?: string | undefined;
  readonly jwt?: Jwt | undefined;
}

/** Throws a TypeError that says what is wanted. */
export function checkCredentials({ tls, token, jwt }: Credentials): void {
  checkTls(tls);
  checkToken(token);
  checkJwt(jwt, token);
}

export function jwtSourceOf({ jwt }: Credentials): JwtSource | undefined {
  return jwt === undefined ? undefined : new JwtSource(jwt);
}
