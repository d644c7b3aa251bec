/**
 * Proves on both sides that they know a token, without sending it:
 *
 *     peer -> node   authorization: Verdict KEYID.NONCE             in the upgrade request
 *     node -> peer   verdict-proof: NONCE.PROOF.PROOF               in its response
 *     peer -> node   hello.proof = PROOF
 *
 * PROOF: HMAC-SHA-256 under the token, of the side, both nonces and an address. The peer drops a
 * node that does not know the token: it is none of the cluster.
 *
 * The address is the one that was dialled, where a node advertised it: a listener there that passes
 * everything on to a node of the cluster gets proofs for another address. It is empty where the
 * user gave the address, for nodes do not know all their names; so the node makes two proofs.
 */
import { createHmac, hash, randomBytes } from 'node:crypto';
import { isSecret } from './secret.ts';

export const proofHeader = 'verdict-proof';
const nonceBytes = 16;
const keyIdCharacters = 16;

/** Tells which of its tokens a node is to prove; it says nothing of the token. */
export function keyIdOf(token: string): string {
  return hash('sha256', `verdict.v1 key id ${token}`, 'hex').slice(0, keyIdCharacters);
}

export function newNonce(): string {
  return randomBytes(nonceBytes).toString('base64url');
}

export interface Challenge {
  readonly keyId: string;
  readonly nonce: string;
}

const challengeText = /^verdict ([0-9a-f]{16})\.([\w-]{22})$/i;

/** Null: the header is something else. */
export function challengeOf(authorization: string): Challenge | null {
  const [, keyId, nonce] = challengeText.exec(authorization) ?? [];
  return keyId === undefined || nonce === undefined ? null : { keyId, nonce };
}

export function challengeHeader({ keyId, nonce }: Challenge): string {
  return `Verdict ${keyId}.${nonce}`;
}

/** Of both sides: that of the peer comes first. */
export type Nonces = readonly [string, string];

/** `address`: of the node, as it advertises it. */
export function nodeProof(token: string, nonces: Nonces, address: string): string {
  const proofs = ['', address].map((dialled) => mac(token, ['node', ...nonces, dialled]));
  return [nonces[1], ...proofs].join('.');
}

/** The node's nonce, where it knows the token; else null. `address`: empty where it was given. */
export function checkNodeProof(
  proof: string,
  known: { readonly token: string; readonly nonce: string; readonly address: string },
): string | null {
  const [nonce = '', given = '', advertised = ''] = proof.split('.');
  const { token, address } = known;
  const wanted = mac(token, ['node', known.nonce, nonce, address]);
  return isSecret(address === '' ? given : advertised, wanted) ? nonce : null;
}

export function peerProof(token: string, nonces: Nonces, address: string): string {
  return mac(token, ['peer', ...nonces, address]);
}

/** `addresses`: those that it may have dialled. */
export function isPeerProof(
  proof: string,
  known: {
    readonly token: string;
    readonly nonces: Nonces;
    readonly addresses: readonly string[];
  },
): boolean {
  const { token, nonces } = known;
  return known.addresses.some((address) => isSecret(proof, peerProof(token, nonces, address)));
}

/** No part holds a line end. */
function mac(token: string, parts: readonly string[]): string {
  return createHmac('sha256', token)
    .update(['verdict.v1', ...parts].join('\n'))
    .digest('base64url');
}
