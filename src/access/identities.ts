/** Which identity of the access file a credential belongs to. */
import { isPrefix } from '../core/access/patterns.ts';
import type { Rights } from '../core/access/rights.ts';
import { keyIdOf } from '../system/token-proof.ts';
import type { AccessFile } from './access-file.ts';

interface Prefix {
  readonly begin: string;
  readonly identity: string;
}

/** A name in a certificate: DNS knows neither case nor a dot at the end, a URI does. */
export function comparable(name: string): string {
  return name.startsWith('DNS:') ? `DNS:${name.slice(4).toLowerCase().replace(/\.$/, '')}` : name;
}

/** A literal goes before a prefix, and a longer prefix before a shorter one. */
class Finder {
  readonly #literals = new Map<string, string>();
  readonly #prefixes: Prefix[] = [];

  add(pattern: string, identity: string): void {
    if (isPrefix(pattern)) this.#prefixes.push({ begin: pattern.slice(0, -1), identity });
    else this.#literals.set(pattern, identity);
    this.#prefixes.sort((a, b) => b.begin.length - a.begin.length);
  }

  find(text: string): string | null {
    const literal = this.#literals.get(text);
    if (literal !== undefined) return literal;
    return this.#prefixes.find(({ begin }) => text.startsWith(begin))?.identity ?? null;
  }
}

export interface KnownToken {
  readonly token: string;
  readonly identity: string | null;
}

export class Identities {
  readonly rights: ReadonlyMap<string, Rights>;
  /** By the id that a peer's challenge names. */
  readonly tokens: ReadonlyMap<string, KnownToken>;
  readonly #names = new Finder();
  readonly #subjects = new Map<string, Finder>();

  readonly #terms: ReadonlyMap<string, string>;

  constructor({ identities, issuers }: Pick<AccessFile, 'identities' | 'issuers'>) {
    this.#terms = new Map(issuers.map((entry) => [entry.issuer, JSON.stringify(entry)]));
    this.rights = new Map(identities.map(({ rights }) => [rights.name, rights]));
    const tokens = new Map<string, KnownToken>();
    for (const { rights, credentials } of identities) {
      const identity = rights.name;
      for (const name of credentials.names) this.#names.add(name, identity);
      for (const token of credentials.tokens) tokens.set(keyIdOf(token), { token, identity });
      for (const { issuer, subject } of credentials.subjects) {
        const finder = this.#subjects.get(issuer) ?? new Finder();
        this.#subjects.set(issuer, finder);
        finder.add(subject, identity);
      }
    }
    this.tokens = tokens;
  }

  /** Of a certificate. Where it is of several, it is none of them. */
  ofNames(names: readonly string[]): readonly string[] {
    const found = names.map((name) => this.#names.find(comparable(name)));
    return [...new Set(found.filter((identity) => identity !== null))];
  }

  /** On which its JWTs are taken. */
  termsOf(issuer: string): string {
    return this.#terms.get(issuer) ?? '';
  }

  ofSubject(issuer: string, subject: string): string | null {
    return this.#subjects.get(issuer)?.find(subject) ?? null;
  }
}
