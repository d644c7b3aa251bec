/** A certificate authority of a test's own, and what it issues, as TLS takes it. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AlternativeName, Usage } from '../../../src/cli/dev-ca/certificate.ts';
import { type TestAuthority, testAuthority } from './certificates.ts';

export interface Issued {
  readonly cert: string;
  readonly key: string;
}

export interface TlsFiles extends Issued {
  readonly ca: string;
}

export interface Wish {
  /** Default: `IP:127.0.0.1`. */
  readonly names?: readonly string[];
  /** How long it is valid; below 0 it was. Default 30. */
  readonly days?: number;
  /** Default: both. */
  readonly usage?: Usage;
  readonly commonName?: string;
}

const dayMs = 86_400_000;

export class TlsAuthority {
  readonly ca: string;
  readonly #authority: TestAuthority;

  private constructor(authority: TestAuthority) {
    this.#authority = authority;
    this.ca = authority.ca;
  }

  static async made(commonName = 'authority'): Promise<TlsAuthority> {
    return new TlsAuthority(await testAuthority(commonName));
  }

  async issue(wish: Wish = {}): Promise<Issued> {
    const { names = ['IP:127.0.0.1'], days = 30, usage, commonName = 'test' } = wish;
    const usages: readonly Usage[] = usage === undefined ? ['serverAuth', 'clientAuth'] : [usage];
    const life = days < 0 ? 'expired' : { endsInMs: days * dayMs };
    const issued = await this.#authority.node(commonName, {
      names: names as readonly AlternativeName[],
      usages,
      life,
    });
    return { cert: issued.certificate, key: issued.key };
  }

  /** As files, of which the key is private: `name.crt`, `name.key`; and `ca.crt`. */
  write(directory: string, name: string, issued: Issued): TlsFiles {
    const file = (end: string): string => join(directory, `${name}.${end}`);
    const files = { ca: join(directory, 'ca.crt'), cert: file('crt'), key: file('key') };
    writeFileSync(files.ca, this.ca);
    writeFileSync(files.cert, issued.cert);
    writeFileSync(files.key, issued.key, { mode: 0o600 });
    return files;
  }
}
