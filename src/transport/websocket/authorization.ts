/**
 * How a peer shows its token in the upgrade request, so that a stranger costs a node nothing.
 *
 * To an address that its owner gave it sends the token itself: `Bearer <token>`. An address that a
 * node advertises, or that stands in the log, may be anyone's. There it sends a proof that is good
 * for that address alone, `Verdict <HMAC-SHA-256 of the address under the token>`: a listener
 * learns nothing that opens another node, for each takes only the proof for its own advertised
 * address.
 */
import { createHmac } from 'node:crypto';
import type { Credential } from '../../ports/transport.ts';
import { isSecret } from '../../system/secret.ts';

export function authorizationFor(url: string, { token, given }: Credential): string {
  return given ? `Bearer ${token}` : `Verdict ${proof(url, token)}`;
}

/** `url`: as the node advertises it, in the form that peers dial. */
export function isAuthorized(
  authorization: string,
  node: { readonly token: string; readonly url: string },
): boolean {
  const space = authorization.indexOf(' ');
  const shown = authorization.slice(space + 1).trim();
  switch (authorization.slice(0, Math.max(0, space)).toLowerCase()) {
    case 'bearer':
      return isSecret(shown, node.token);
    case 'verdict':
      return isSecret(shown, proof(node.url, node.token));
    default:
      return false;
  }
}

function proof(url: string, token: string): string {
  return createHmac('sha256', token).update(`verdict.v1 ${url}`).digest('base64url');
}
