/**
 * What a txid proves by itself: that a leader of this cluster gave it out. Its last digits are a
 * hash of all before them, keyed by the cluster's secret in the log's `meta`: any node can tell,
 * for every epoch, and refuses a made-up id without reading or writing the log.
 */
import { hash, timingSafeEqual } from 'node:crypto';
import { nonceDigits, sealDigits, sealedText, type Txid } from '../core/txid.ts';
import type { Random } from '../ports/random.ts';

/** Base-36 digits of a cluster's key: 165 bits. */
const secretDigits = 32;
const hashBytes = 6;
/** Of SHA-256. */
const blockBytes = 64;
/** 132 bits. */
const shareCharacters = 22;

export function newTxidSecret(random: Random): string {
  return random.token(secretDigits);
}

function sha256(bytes: Buffer): Buffer {
  return hash('sha256', bytes, 'buffer');
}

export class TxidSeal {
  readonly #inner = Buffer.alloc(blockBytes, 0x36);
  readonly #outer = Buffer.alloc(blockBytes, 0x5c);

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
    return this.#hmac(`share ${txid}`).toString('base64url').slice(0, shareCharacters);
  }

  isShare(txid: Txid, share: string): boolean {
    const wanted = Buffer.from(this.shareOf(txid));
    const brought = Buffer.from(share);
    return brought.length === wanted.length && timingSafeEqual(brought, wanted);
  }

  #seal(text: string): string {
    const value = this.#hmac(text).readUIntBE(0, hashBytes) % 36 ** sealDigits;
    return value.toString(36).padStart(sealDigits, '0');
  }

  /** HMAC-SHA-256. Node's own makes objects that cost ten times as much as the hashing. */
  #hmac(text: string): Buffer {
    const inner = Buffer.concat([this.#inner, Buffer.from(text, 'latin1')]);
    return sha256(Buffer.concat([this.#outer, sha256(inner)]));
  }
}
