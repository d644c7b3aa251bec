/**
 * Who is let in, and what each may do: what a node asks. `src/access` answers, from credentials and
 * the access file.
 */
import type { Rights } from '../core/access/rights.ts';
import type { Origin } from '../core/shares.ts';

/** What a peer showed as it came, before its hello. */
export interface Shown {
  /** As this side sees it. */
  readonly address: string;
  /** Only one that was verified. */
  readonly certificate: ShownCertificate | null;
  /** The header, as it was sent. */
  readonly authorization: string | null;
  /** Whether others on the way could not read it. */
  readonly private: boolean;
}

/** Who shows a token in a message. */
export interface Asker extends Pick<Shown, 'private'> {
  /** Of what is looked at at once: its identity's share, or its address's before it has one. */
  readonly share: Origin;
}

export interface ShownCertificate {
  /** Of its subjectAltName: `URI:spiffe://shop/payment`, `DNS:payment.shop`. */
  readonly names: readonly string[];
  readonly subject: string;
  readonly expiresAtMs: number;
}

/** Who a connection is. */
export interface Who {
  /** By its name in the access file; null: someone of the installation. */
  readonly identity: string | null;
  /** When its credential ends, by the wall clock; null: never. */
  readonly expiresAtMs: number | null;
  /** What it has the identity by. */
  readonly by?: ShownCredential;
}

/** No secret: names of a certificate, the id of a token, the subject of a JWT. */
export type ShownCredential =
  | { readonly names: readonly string[] }
  | { readonly keyId: string }
  | { readonly issuer: string; readonly subject: string; readonly terms: string };

export type Authentication =
  | { readonly status: 'right'; readonly who: Who }
  | { readonly status: 'absent' }
  /** `passes`: the node cannot tell for now. */
  | { readonly status: 'wrong'; readonly why: string; readonly passes?: true }
  /** It named a token of this node, and shows in its hello that it knows it. */
  | {
      readonly status: 'challenged';
      /** For the response: that this node knows it, too. */
      readonly headers: Readonly<Record<string, string>>;
      /** `proof`: that of the hello. Null: it is wrong. */
      readonly check: (proof: string) => Who | null;
    };

/** Of a credential that needs no more words. */
export type Credited = Extract<Authentication, { readonly status: 'right' | 'wrong' }>;

export interface Access {
  /** Rights are checked. False: whoever is let in may do everything. */
  readonly hasRights: boolean;
  /** Peers need no credential. */
  readonly isOpen: boolean;
  authenticate(shown: Shown): Authentication | Promise<Authentication>;
  /** Of a token that came as it is. */
  whoHas(token: string, asker: Asker): Credited | Promise<Credited>;
  /** Null: the access file has no such identity any more, or not by that credential. */
  rightsOf(who: Who): Rights | null;
  /** `listener` is told after the access file changed. */
  watch(listener: () => void): () => void;
}

const someone: Credited = { status: 'right', who: { identity: null, expiresAtMs: null } };

/** Whoever comes is let in, and may do everything. */
export const everyone: Access = {
  hasRights: false,
  isOpen: true,
  authenticate: () => ({ status: 'absent' }),
  whoHas: () => someone,
  rightsOf: () => null,
  watch: () => () => undefined,
};
