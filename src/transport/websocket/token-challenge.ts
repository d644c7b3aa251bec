/** One dial by a token: the challenge to the node, and the proof for the hello. */
import type { TokenCredential } from '../../ports/transport.ts';
import {
  challengeHeader,
  checkNodeProof,
  keyIdOf,
  newNonce,
  peerProof,
} from '../../system/token-proof.ts';

export class TokenChallenge {
  readonly header: string;
  readonly #token: string;
  readonly #nonce = newNonce();
  readonly #address: string;
  #proof: string | null = null;

  /** `url`: where the node is dialled, as it advertises it. */
  constructor(url: string, { token, given }: TokenCredential) {
    this.#token = token;
    this.#address = given ? '' : url;
    this.header = challengeHeader({ keyId: keyIdOf(token), nonce: this.#nonce });
  }

  /** What came with the node's answer. */
  answered(said: string | readonly string[] | undefined): void {
    const known = { token: this.#token, nonce: this.#nonce, address: this.#address };
    const nodeNonce = checkNodeProof(String(said ?? ''), known);
    if (nodeNonce === null) return;
    this.#proof = peerProof(this.#token, [this.#nonce, nodeNonce], this.#address);
  }

  /** Null: the node has not shown that it knows the token. */
  get proof(): string | null {
    return this.#proof;
  }
}
