/** The certificate that a peer showed, if it was one that can be verified. */
import type { TLSSocket } from 'node:tls';
import type { ShownCertificate } from '../../ports/access.ts';
import { instantMs } from '../../system/instant.ts';
import { namesIn } from './names.ts';

export type Showing =
  | { readonly status: 'none' }
  | { readonly status: 'verified'; readonly certificate: ShownCertificate }
  | { readonly status: 'refused'; readonly text: string };

export function clientCertificate(socket: TLSSocket, nowMs: number): Showing {
  const shown = socket.getPeerX509Certificate();
  if (shown === undefined) return { status: 'none' };
  if (!socket.authorized) return refused(whyOf(String(socket.authorizationError)));
  const expiresAtMs = instantMs(shown.validTo);
  if (!(expiresAtMs > nowMs)) return refused(whyOf('CERT_HAS_EXPIRED'));
  const names = namesIn(shown.subjectAltName);
  if (names === null) {
    return refused('its subjectAltName has characters that no name needs. Make it without them.');
  }
  return { status: 'verified', certificate: { names, subject: shown.subject, expiresAtMs } };
}

function refused(why: string): Showing {
  return { status: 'refused', text: `The client certificate is refused: ${why}` };
}

function whyOf(code: string): string {
  switch (code) {
    case 'CERT_HAS_EXPIRED':
      return 'it has expired. Renew it and give the new one as tls.cert and tls.key (--tls-cert, --tls-key).';
    case 'CERT_NOT_YET_VALID':
      return 'it is not valid yet. Compare the clocks of the two machines.';
    case 'INVALID_PURPOSE':
      return 'it is not for clients. Its extendedKeyUsage must have clientAuth.';
    default:
      return `no authority of --tls-client-ca signed it (${code}). Give one that is signed by such as tls.cert (--tls-cert), or add its authority to the file of the node.`;
  }
}
