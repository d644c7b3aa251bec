/** Who a peer is, from what it shows: a certificate, a proof that it knows a token, a JWT. */
import type { Rights } from '../core/access/rights.ts';
import { type Origin, Shares } from '../core/shares.ts';
import { thrownLine } from '../core/thrown.ts';
import type {
  Access,
  Asker,
  Authentication,
  Credited,
  Shown,
  ShownCredential,
  Who,
} from '../ports/access.ts';
import { isSecret } from '../system/secret.ts';
import {
  type Challenge,
  challengeOf,
  isPeerProof,
  keyIdOf,
  newNonce,
  nodeProof,
  proofHeader,
} from '../system/token-proof.ts';
import type { AccessFile } from './access-file.ts';
import { Identities, type KnownToken } from './identities.ts';
import { KeysUnavailableError } from './issuer-keys.ts';
import type { JwtVerifier } from './jwt.ts';

export interface AuthenticatorOptions {
  /** Of the whole installation; null: there is none. */
  readonly token: string | null;
  /** Null: everyone who is let in may do everything. */
  readonly file: AccessFile | null;
  /** Null where the access file has no issuers. */
  readonly jwt: JwtVerifier | null;
  /** Where this node is reached, as it advertises it; it may not be known at first. */
  readonly url: () => string;
  /** The keys of an issuer cannot be read. Told for each JWT that waits for them. */
  readonly unavailable?: (problem: string) => void;
}

export class Authenticator implements Access {
  readonly hasRights: boolean;
  readonly isOpen: boolean;
  readonly #url: () => string;
  readonly #unavailable: (problem: string) => void;
  readonly #listeners = new Set<() => void>();
  #identities: Identities;
  #jwt: JwtVerifier | null;
  readonly #verifying = new Shares(maxVerifying);
  readonly #shared: KnownToken | null;

  constructor({ token, file, jwt, url, unavailable }: AuthenticatorOptions) {
    this.#unavailable = unavailable ?? ((): void => undefined);
    this.hasRights = file !== null;
    this.isOpen = file === null && token === null;
    this.#url = url;
    this.#identities = new Identities(file ?? { identities: [], issuers: [] });
    this.#jwt = jwt;
    this.#shared = token === null ? null : { token, identity: null };
  }

  /** The access file has changed. */
  replace(file: AccessFile, jwt: JwtVerifier | null): void {
    this.#identities = new Identities(file);
    this.#jwt = jwt;
    for (const listener of this.#listeners) listener();
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  rightsOf({ identity, by }: Who): Rights | null {
    if (identity === null || by === undefined) return null;
    return this.#identityBy(by) === identity
      ? (this.#identities.rights.get(identity) ?? null)
      : null;
  }

  #identityBy(by: ShownCredential): string | null {
    if ('names' in by) {
      const found = this.#identities.ofNames(by.names);
      return found.length === 1 ? (found[0] ?? null) : null;
    }
    if ('keyId' in by) return this.#known(by.keyId)?.identity ?? null;
    // Other keys, or another audience: what was checked by the old ones may be forged.
    if (this.#identities.termsOf(by.issuer) !== by.terms) return null;
    return this.#identities.ofSubject(by.issuer, by.subject);
  }

  authenticate(shown: Shown): Authentication | Promise<Authentication> {
    const { certificate, authorization } = shown;
    if (certificate !== null && !this.hasRights) {
      const { expiresAtMs } = certificate;
      return { status: 'right', who: { identity: null, expiresAtMs } };
    }
    if (certificate !== null) {
      const [identity, another] = this.#identities.ofNames(certificate.names);
      if (another !== undefined) {
        return wrong('The names in the certificate are of several identities of the access file.');
      }
      if (identity !== undefined) {
        const { names, expiresAtMs } = certificate;
        return { status: 'right', who: { identity, expiresAtMs, by: { names } } };
      }
      if (authorization === null) {
        return wrong(
          `The access file has no identity for ${certificate.names.join(', ') || certificate.subject}.`,
        );
      }
    }
    if (authorization === null || this.isOpen) return { status: 'absent' };
    const challenge = challengeOf(authorization);
    if (challenge !== null) return this.#challenged(challenge);
    const bearer = /^bearer +(\S+)$/i.exec(authorization)?.[1];
    if (bearer === undefined) return wrong('The Authorization header is none that a node knows.');
    return this.#whoHas(bearer, shown, null);
  }

  whoHas(token: string, asker: Asker): Credited | Promise<Credited> {
    return this.#whoHas(token, asker, asker.share);
  }

  /** `share`: null where the caller has taken one. */
  #whoHas(
    token: string,
    shown: Pick<Shown, 'private'>,
    share: Origin | null,
  ): Credited | Promise<Credited> {
    // It may have been read on its way by now: an identity is not to be had for that.
    if (this.hasRights && !shown.private) return wrong(notInClear);
    const keyId = keyIdOf(token);
    const known = this.#known(keyId);
    if (known !== null && isSecret(token, known.token))
      return { status: 'right', who: whoOf(known, keyId) };
    if (this.#jwt === null) return wrong(this.#wrongToken());
    return share === null
      ? this.#subject(this.#jwt, token)
      : this.#inShare(share, this.#jwt, token);
  }

  /**
   * Those of upgrades are bounded by the listener. These came in a hello, or to renew: what one
   * peer asks for must leave some for others.
   */
  async #inShare(share: Origin, jwt: JwtVerifier, token: string): Promise<Credited> {
    if (!this.#verifying.admits(share, 1)) return { ...wrong(tooManyJwts), passes: true };
    this.#verifying.take(share, 1);
    try {
      return await this.#subject(jwt, token);
    } finally {
      this.#verifying.take(share, -1);
    }
  }

  #wrongToken(): string {
    return this.hasRights ? unknownToken : wrongToken;
  }

  #known(keyId: string): KnownToken | null {
    if (this.#shared !== null && keyIdOf(this.#shared.token) === keyId) return this.#shared;
    return this.#identities.tokens.get(keyId) ?? null;
  }

  #challenged({ keyId, nonce }: Challenge): Authentication {
    const known = this.#known(keyId);
    if (known === null) return wrong(this.#wrongToken());
    const { token } = known;
    const nonces = [nonce, newNonce()] as const;
    const url = this.#url();
    return {
      status: 'challenged',
      headers: { [proofHeader]: nodeProof(token, nonces, url) },
      check: (proof) =>
        isPeerProof(proof, { token, nonces, addresses: ['', url] }) ? whoOf(known, keyId) : null,
    };
  }

  async #subject(jwt: JwtVerifier, token: string): Promise<Credited> {
    try {
      const { issuer, subject, expiresAtMs } = await jwt.verify(token);
      const terms = this.#identities.termsOf(issuer);
      const identity = this.#identities.ofSubject(issuer, subject);
      // It was checked by what the file said before.
      if (jwt !== this.#jwt) return this.#whoHas(token, { private: true }, null);
      if (identity === null) return wrong('The access file has no identity for the JWT.');
      return { status: 'right', who: { identity, expiresAtMs, by: { issuer, subject, terms } } };
    } catch (error) {
      if (error instanceof KeysUnavailableError) {
        // Its text is the node's to know.
        this.#unavailable(error.message);
        return { ...wrong(keysUnavailable), passes: true };
      }
      return wrong(`The token is none of this node, and no JWT: ${thrownLine(error)}.`);
    }
  }
}

const unknownToken = 'No identity of the access file has that token.';
const wrongToken =
  'The token is missing or wrong: give the one in the file that the nodes were started with (--token-file).';

const maxVerifying = 128;
const tooManyJwts = 'As many JWTs are being checked as may be. Try again later.';
const keysUnavailable =
  'The node cannot check the JWT: it cannot read the keys of its issuer for now. Try again later.';

const notInClear =
  'With an access file a token is not taken unencrypted. Use wss://, or an SDK that proves that it knows the token.';

function whoOf({ identity }: KnownToken, keyId: string): Who {
  return { identity, expiresAtMs: null, by: { keyId } };
}

function wrong(why: string): Extract<Credited, { readonly status: 'wrong' }> {
  return { status: 'wrong', why };
}
