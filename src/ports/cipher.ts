/** Encryption of what users hand in, before it is kept. Implementation: `system/payload-cipher`. */

/** Keys by their ids. All open what they sealed; `current` seals. */
export interface EncryptionKeys {
  /** The id of the key that seals from now on. */
  readonly current: string;
  /** By id: 32 random bytes, or their base64. 1 to 16 keys; an id is 1 to 64 bytes long. */
  readonly keys: Readonly<Record<string, Uint8Array | string>>;
}

export interface PayloadCipher {
  /** The id of the key that seals. */
  readonly current: string;
  has(keyId: string): boolean;
  /** `context`: what the value belongs to. It is not kept, and must be the same to open it. */
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** Throws SealedError. Never taken for "nothing is there" (!): absence means abort. */
  open(sealed: Uint8Array, context: string): Uint8Array;
}

/** A sealed value does not open. The text says what to do. */
export class SealedError extends Error {
  override readonly name = 'SealedError';
}
