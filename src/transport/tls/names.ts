/** The names in a certificate, and whether it has one that is asked for. */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/**
 * `DNS:a.example`, `URI:spiffe://..`, `IP:127.0.0.1`; of other kinds as Node writes them. Null
 * where they cannot be told apart with certainty: Node joins them by commas, and quotes what has
 * one in it, or anything else that no name needs (CVE-2021-44532). Such a certificate is no one's.
 */
export function namesIn(subjectAltName: string | undefined): readonly string[] | null {
  if (subjectAltName === undefined || subjectAltName === '') return [];
  if (/["\\]|[^\x20-\x7e]/.test(subjectAltName)) return null;
  const names = subjectAltName.split(', ').map((name) => name.replace(/^IP Address:/, 'IP:'));
  return names.every((name) => /^[A-Za-z ]+:/.test(name) && !name.includes(',')) ? names : null;
}

/** `wanted`: a host or an address, `*.example` for any one label, or a URI that may end in `*`. */
export function hasName(
  certificate: X509Certificate,
  names: readonly string[],
  wanted: string,
): boolean {
  if (wanted.includes('://')) {
    const uris = names.filter((name) => name.startsWith('URI:')).map((name) => name.slice(4));
    if (!wanted.endsWith('*')) return uris.includes(wanted);
    return uris.some((uri) => uri.startsWith(wanted.slice(0, -1)));
  }
  if (wanted.startsWith('*.')) {
    const end = wanted.slice(1).toLowerCase();
    return names.some((name) => {
      if (!name.startsWith('DNS:')) return false;
      const host = name.slice(4).toLowerCase();
      const label = host.slice(0, -end.length);
      return host.endsWith(end) && label !== '' && !label.includes('.');
    });
  }
  return isFor(certificate, wanted);
}

/** A host or an address. What the certificate has as its common name counts for nothing. */
export function isFor(certificate: X509Certificate, host: string): boolean {
  // A DNS name that looks like an address is none.
  if (isIP(host) !== 0) return certificate.checkIP(host) !== undefined;
  const flags = { subject: 'never', partialWildcards: false } as const;
  return certificate.checkHost(host, flags) !== undefined;
}
