/** Whom an attack is aimed at, and what the attacker has in hand. It goes to another process. */
export interface Target {
  readonly port: number;
  /** Null: the port speaks no TLS. */
  readonly tls: {
    readonly limited: { readonly cert: string; readonly key: string };
    readonly operators: { readonly cert: string; readonly key: string };
    readonly services: { readonly cert: string; readonly key: string };
    /** Of another authority. */
    readonly wrong: { readonly cert: string; readonly key: string };
  } | null;
  /** Well-formed, of the issuer in the access file, and signed with another key. */
  readonly badJwt: string;
  readonly participants: readonly string[];
}

/** With whose certificate; null: with none. */
export type As = 'limited' | 'operators' | 'services' | 'wrong' | null;
