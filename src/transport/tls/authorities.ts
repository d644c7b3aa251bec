/**
 * Whether the authorities of a file still vouch for a connection that they were asked about when it
 * began. In doubt they do not: the peer comes again, and OpenSSL looks at its certificate anew.
 *
 * The chain is as Node puts it together from what the peer sent, by names and not by signatures,
 * and not the one that OpenSSL verified (!): a peer that sends a made-up intermediate would have it
 * end wherever it likes. So each signature is looked at here.
 */
import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { certificatesIn } from '../../system/pem-certificates.ts';

/** By their fingerprints. */
export type Authorities = ReadonlyMap<string, X509Certificate>;

/** `pem`: of which a listener was made, and so nothing broken. */
export function authoritiesIn(pem: string): Authorities {
  return new Map(certificatesIn(pem).map((one) => [one.fingerprint256, one]));
}

/** Who showed no certificate was let in by something else. */
export function vouchFor(socket: TLSSocket, before: Authorities, now: Authorities): boolean {
  if (socket.getPeerX509Certificate() === undefined) return true;
  return vouchForChain(chainOf(socket.getPeerCertificate(true)), before, now);
}

/**
 * `chain`: from the peer's own on. Each must be signed by the next, the last must stand in the
 * file, and none may be, or be signed by, one that was taken out.
 */
export function vouchForChain(
  chain: readonly X509Certificate[],
  before: Authorities,
  now: Authorities,
): boolean {
  const end = chain.at(-1);
  if (end === undefined || !now.has(end.fingerprint256)) return false;
  const takenOut = [...before].filter(([one]) => !now.has(one)).map(([, one]) => one);
  return chain.every((one, at) => {
    const next = chain[at + 1];
    if (next !== undefined && !isSignedBy(one, next)) return false;
    return !takenOut.some((gone) => isSame(one, gone) || isSignedBy(one, gone));
  });
}

function isSame(one: X509Certificate, other: X509Certificate): boolean {
  return one.fingerprint256 === other.fingerprint256;
}

function isSignedBy(one: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return issuer.ca && one.checkIssued(issuer) && one.verify(issuer.publicKey);
  } catch {
    // Of a key that cannot be used.
    return false;
  }
}

/** Far more than any real one has: each costs a signature. */
const maxChain = 16;

/** Empty where it has no end. */
function chainOf(first: DetailedPeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  const seen = new Set<string>();
  let next: DetailedPeerCertificate | undefined = first;
  while (next?.raw !== undefined && !seen.has(next.fingerprint256)) {
    if (chain.length === maxChain) return [];
    seen.add(next.fingerprint256);
    chain.push(new X509Certificate(next.raw));
    next = next.issuerCertificate;
  }
  return chain;
}
