/** JWTs of the issuers in the access file: RFC 7519, with `jose`. */
import { decodeJwt, jwtVerify } from 'jose';
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
    const { payload } = await jwtVerify(token, issuer.keys.find, {
      issuer: iss,
      audience,
      algorithms: [...algorithms],
      clockTolerance,
      requiredClaims: ['exp', 'sub'],
      currentDate: instantDate(this.#clock.wallMs()),
    });
    const { sub = '', exp = 0 } = payload;
    const expiresAtMs = exp * 1_000;
    // A connection that ends as it opens would be made again and again.
    if (expiresAtMs <= this.#clock.wallMs()) throw new Error('it has expired ("exp")');
    return { issuer: iss, subject: sub, expiresAtMs };
  }
}
