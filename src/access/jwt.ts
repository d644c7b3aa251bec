/** JWTs of the issuers in the access file: RFC 7519, with `jose`. */
import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import type { Clock } from '../ports/clock.ts';
import { instantDate } from '../system/instant.ts';
import type { IssuerEntry } from './access-file.ts';
import { IssuerKeys } from './issuer-keys.ts';

export interface Subject {
  readonly issuer: string;
  readonly subject: string;
  readonly expiresAtMs: number;
}

/** Of the time from which it is valid: hosts of one installation do not differ by more. */
const clockTolerance = '5 s';

interface Issuer {
  readonly entry: IssuerEntry;
  readonly keys: IssuerKeys;
}

/** Of a Date. */
const latestMs = 8.64e15;

export class JwtVerifier {
  readonly #clock: Clock;
  readonly #issuers: ReadonlyMap<string, Issuer>;

  /** `before`: the keys that it knows of issuers which stay are kept. */
  constructor(entries: readonly IssuerEntry[], clock: Clock, before: JwtVerifier | null = null) {
    this.#clock = clock;
    this.#issuers = new Map(
      entries.map((entry) => {
        const known = before === null ? undefined : before.#issuers.get(entry.issuer);
        const isSame = JSON.stringify(known?.entry.keys) === JSON.stringify(entry.keys);
        const keys = isSame ? known?.keys : undefined;
        return [entry.issuer, { entry, keys: keys ?? new IssuerKeys(entry.keys, clock) }];
      }),
    );
  }

  /**
   * Rejects with what is wrong with it; with a KeysUnavailableError where that cannot be told for
   * now.
   */
  async verify(token: string): Promise<Subject> {
    const { iss = '' } = decodeJwt(token);
    const issuer = this.#issuers.get(iss);
    if (issuer === undefined) throw new Error('its issuer is not in the access file');
    const { audience, algorithms } = issuer.entry;
    const payload = await verified(token, issuer.keys, {
      issuer: iss,
      audience,
      algorithms: [...algorithms],
      clockTolerance,
      requiredClaims: ['exp', 'sub'],
      currentDate: instantDate(this.#clock.wallMs()),
    });
    const { exp = 0 } = payload;
    // An issuer may write anything there, whatever the type says.
    const sub: unknown = payload.sub;
    if (typeof sub !== 'string') throw new Error('its subject is no text ("sub")');
    const expiresAtMs = exp * 1_000;
    if (expiresAtMs > latestMs) throw new Error('it expires at no time that there is ("exp")');
    // A connection that ends as it opens would be made again and again.
    if (expiresAtMs <= this.#clock.wallMs()) throw new Error('it has expired ("exp")');
    return { issuer: iss, subject: sub, expiresAtMs };
  }
}

/** Without a `kid` its signature alone tells that its key is not known: it may be a new one. */
async function verified(
  token: string,
  keys: IssuerKeys,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  const { reads } = keys;
  try {
    return await verifiedWith(token, keys.find, options);
  } catch (error) {
    if (!isOfKey(error) || decodeProtectedHeader(token).kid !== undefined) throw error;
    await keys.load();
    if (keys.reads === reads) throw error;
    return await verifiedWith(token, keys.find, options);
  }
}

/** Without a `kid` any key that fits may be the one: an issuer has two while it changes them. */
async function verifiedWith(
  token: string,
  find: JWTVerifyGetKey,
  options: JWTVerifyOptions,
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, find, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (wrong) {
        if (!isOfKey(wrong)) throw wrong;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** It is another's, or one that `jose` does not take: RSA below 2,048 bits is a TypeError. */
function isOfKey(error: unknown): boolean {
  return error instanceof errors.JWSSignatureVerificationFailed || error instanceof TypeError;
}
