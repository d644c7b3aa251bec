/**
 * What a txid proves by itself: that a leader of this cluster gave it out. Its last digits are a
 * hash of all before them, keyed by the cluster's secret in the log: any node can tell,
 * for every epoch, and refuses a made-up id without reading or writing the log.
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { nonceDigits, sealDigits, sealedText, type Txid } from '../core/txid.ts';
import type { Random } from '../ports/random.ts';

/** Base-36 digits of a cluster's key: 165 bits. */
const secretDigits = 32;
const sealHexDigits = 12;
/** Of SHA-256. */
const blockBytes = 64;
const hashBytes = 32;
/** Of a txid or a share's text: both are shorter. */
const maxTextCharacters = 128;
/** 132 bits. */
const shareCharacters = 22;

export function newTxidSecret(random: Random): string {
  return random.token(secretDigits);
}

/** Tells a secret from another, and nothing of it: no txid or share is a hash of this text. */
export function secretPrint(secret: string): string {
  return createHmac('sha256', secret).update('print').digest('base64url');
}

export class TxidSeal {
  /** The key's block, and room for what is hashed: written over each time. */
  readonly #inner = Buffer.alloc(blockBytes + maxTextCharacters, 0x36);
  readonly #outer = Buffer.alloc(blockBytes + hashBytes, 0x5c);

  constructor(secret: string) {
    if (secret.length > blockBytes) throw new RangeError('The secret is longer than a block.');
    for (const [index, byte] of Buffer.from(secret, 'latin1').entries()) {
      this.#inner[index] = byte ^ 0x36;
      this.#outer[index] = byte ^ 0x5c;
    }
  }

  /**
   * The random part of a txid, behind `place`: a nonce, so that two logs that gave out one epoch
   * (one restored from a copy of the other) give out no txid twice, and the proof.
   */
  randomPart(place: string, random: Random): string {
    const nonce = random.token(nonceDigits);
    return nonce + this.#seal(place + nonce);
  }

  /** Whether this cluster gave it out. */
  isIssued(txid: Txid): boolean {
    const { text, seal } = sealedText(txid);
    return timingSafeEqual(Buffer.from(this.#seal(text)), Buffer.from(seal));
  }

  /** Lets another act for the transaction. Any node can tell, after a failover too. */
  shareOf(txid: Txid): string {
    return this.#hmac(`share ${txid}`, 'base64url').slice(0, shareCharacters);
  }

  isShare(txid: Txid, share: string): boolean {
    const wanted = Buffer.from(this.shareOf(txid));
    const brought = Buffer.from(share);
    return brought.length === wanted.length && timingSafeEqual(brought, wanted);
  }

  #seal(text: string): string {
    const value = Number.parseInt(this.#hmac(text, 'hex').slice(0, sealHexDigits), 16);
    return (value % 36 ** sealDigits).toString(36).padStart(sealDigits, '0');
  }

  /**
   * HMAC-SHA-256. Node's own makes objects that cost ten times as much as the hashing, and a hash
   * as a Buffer costs three times as much as one as text.
   */
  #hmac(text: string, encoding: 'hex' | 'base64url'): string {
    if (text.length > maxTextCharacters) throw new RangeError('The text is too long to be sealed.');
    this.#inner.write(text, blockBytes, 'latin1');
    const inner = hash('sha256', this.#inner.subarray(0, blockBytes + text.length), 'binary');
    this.#outer.write(inner, blockBytes, 'latin1');
    return hash('sha256', this.#outer, encoding);
  }
}
