/**
 * AES-256-GCM with a ring of keys.
 *
 *     format (1)  length of the key's id (1)  id  salt (16)  nonce (12)  tag (16)  ciphertext
 *
 * - What is in front of the nonce and the context are authenticated as well.
 * - A key that is given seals nothing itself: each start derives one of its own from it (HKDF) with
 *   a random salt. So the bound on random nonces, 2^32 values (NIST SP 800-38D, 8.3), is one of a
 *   start, and not one of all services and years that share a key. A start that reaches it takes a
 *   new salt.
 * - Nonces are random, not counted: a machine set back to a snapshot would count the same again.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
  randomFillSync,
} from 'node:crypto';
import { checkFields } from '../core/fields.ts';
import { type EncryptionKeys, type PayloadCipher, SealedError } from '../ports/cipher.ts';
import { readSecretFile } from './secret-file.ts';

const algorithm = 'aes-256-gcm';
const format = 1;
const keyBytes = 32;
const saltBytes = 16;
const nonceBytes = 12;
const tagBytes = 16;
const fixedBytes = 2 + saltBytes + nonceBytes + tagBytes;
const maxKeys = 16;
const maxIdBytes = 64;
const maxSealedBySalt = 2 ** 32;
const nonceBatch = 256;
/** Of keys that earlier starts derived. */
const maxDerived = 1_024;

/** Where the keys are: given, or in a file of the same fields as JSON. */
export type EncryptionChoice = EncryptionKeys | { readonly file: string };

/** Throws TypeError, or SecretFileError for a file that is missing or open to others. */
export function payloadCipher(
  choice: EncryptionChoice,
  how: { readonly maxSealedBySalt?: number } = {},
): PayloadCipher {
  return new AesCipher(keysOf(choice), how.maxSealedBySalt ?? maxSealedBySalt);
}

/** The id of the key that sealed it. Throws SealedError where it has none. */
export function sealedBy(sealed: Uint8Array): string {
  return partsOf(sealed).id;
}

class AesCipher implements PayloadCipher {
  readonly current: string;
  readonly #keys: ReadonlyMap<string, Buffer>;
  readonly #maxSealedBySalt: number;
  readonly #derived = new Map<string, KeyObject>();
  readonly #nonces = Buffer.alloc(nonceBatch * nonceBytes);
  #nonceAt = this.#nonces.length;
  #head: Buffer;
  #sealing: KeyObject;
  #sealed = 0;

  constructor({ current, keys }: Ring, max: number) {
    this.current = current;
    this.#keys = keys;
    this.#maxSealedBySalt = max;
    this.#head = this.#newHead();
    this.#sealing = this.#keyOf(partsOfHead(this.#head));
  }

  has(keyId: string): boolean {
    return this.#keys.has(keyId);
  }

  seal(plain: Uint8Array, context: string): Uint8Array {
    if (this.#sealed >= this.#maxSealedBySalt) {
      this.#head = this.#newHead();
      this.#sealing = this.#keyOf(partsOfHead(this.#head));
      this.#sealed = 0;
    }
    this.#sealed += 1;
    const nonce = this.#nonce();
    const cipher = createCipheriv(algorithm, this.#sealing, nonce, { authTagLength: tagBytes });
    cipher.setAAD(authenticated(this.#head, context));
    const hidden = cipher.update(plain);
    cipher.final();
    return Buffer.concat([this.#head, nonce, cipher.getAuthTag(), hidden]);
  }

  open(sealed: Uint8Array, context: string): Uint8Array {
    const parts = partsOf(sealed);
    const { head, nonce, tag, hidden } = parts;
    const key = this.#keyOf(parts);
    const cipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(authenticated(head, context));
    cipher.setAuthTag(tag);
    const plain = cipher.update(hidden);
    try {
      cipher.final();
    } catch (error) {
      throw new SealedError(
        `A value that the key ${parts.id} sealed does not open: it was changed, belongs to another entry, or the key has other bytes than when it sealed. Give the right key, or restore the directory from a backup.`,
        { cause: error },
      );
    }
    return plain;
  }

  #newHead(): Buffer {
    const id = Buffer.from(this.current);
    return Buffer.concat([Buffer.of(format, id.length), id, randomBytes(saltBytes)]);
  }

  #keyOf({ id, head, salt }: Pick<Parts, 'id' | 'head' | 'salt'>): KeyObject {
    const name = head.toString('latin1');
    const known = this.#derived.get(name);
    if (known !== undefined) return known;
    const key = this.#keys.get(id);
    if (key === undefined) throw missingKey(id);
    if (this.#derived.size >= maxDerived) this.#derived.clear();
    const bytes = Buffer.from(hkdfSync('sha256', key, salt, 'verdict payload', keyBytes));
    // From bytes a cipher takes three times as long.
    const derived = createSecretKey(bytes);
    this.#derived.set(name, derived);
    return derived;
  }

  #nonce(): Buffer {
    if (this.#nonceAt === this.#nonces.length) {
      randomFillSync(this.#nonces);
      this.#nonceAt = 0;
    }
    const from = this.#nonceAt;
    this.#nonceAt += nonceBytes;
    return this.#nonces.subarray(from, this.#nonceAt);
  }
}

function missingKey(id: string): SealedError {
  return new SealedError(
    `A value is sealed with the key ${id}, which is not given. Add it to the keys and start again.`,
  );
}

function authenticated(head: Buffer, context: string): Buffer {
  return Buffer.concat([head, Buffer.from(context)]);
}

interface Parts {
  readonly id: string;
  /** All in front of the nonce. */
  readonly head: Buffer;
  readonly salt: Buffer;
  readonly nonce: Buffer;
  readonly tag: Buffer;
  readonly hidden: Buffer;
}

function partsOf(sealed: Uint8Array): Parts {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes.length > 0 && (bytes[0] as number) > format) {
    throw new SealedError(
      `A sealed value has format ${bytes[0]}; this program reads up to ${format}. Start the newer program that wrote it.`,
    );
  }
  const idBytes = bytes[1] ?? 0;
  if (bytes[0] !== format || idBytes === 0 || bytes.length < fixedBytes + idBytes) {
    throw new SealedError(
      'A sealed value is broken: it does not begin as one, or its end is missing. Restore the directory from a backup.',
    );
  }
  const headBytes = 2 + idBytes + saltBytes;
  const tagAt = headBytes + nonceBytes;
  return {
    ...partsOfHead(bytes.subarray(0, headBytes)),
    nonce: bytes.subarray(headBytes, tagAt),
    tag: bytes.subarray(tagAt, tagAt + tagBytes),
    hidden: bytes.subarray(tagAt + tagBytes),
  };
}

function partsOfHead(head: Buffer): Pick<Parts, 'id' | 'head' | 'salt'> {
  const salt = head.subarray(head.length - saltBytes);
  return { id: head.toString('utf8', 2, head.length - saltBytes), head, salt };
}

interface Ring {
  readonly current: string;
  readonly keys: ReadonlyMap<string, Buffer>;
}

function keysOf(choice: EncryptionChoice): Ring {
  if (!('file' in choice)) return ringOf(choice, 'encryption');
  checkFields(choice, { file: 'text' }, 'encryption');
  const text = readSecretFile(choice.file, 'file of encryption keys');
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    // What a parser says of it may quote the keys.
    throw new TypeError(`${choice.file} is no JSON. ${wanted}`);
  }
  return ringOf(given as EncryptionKeys, choice.file);
}

const wanted =
  'It must be { "current": id, "keys": { id: base64 of 32 random bytes } }; make a key with: openssl rand -base64 32';

function ringOf(given: EncryptionKeys, where: string): Ring {
  // Not by `checkFields` first: it would show the beginning of a key that stands in a wrong place.
  if (typeof given?.keys !== 'object' || given.keys === null || typeof given.current !== 'string') {
    throw new TypeError(`${where} is not what it should be. ${wanted}`);
  }
  checkFields(given, { current: 'text', keys: 'object' }, where);
  const entries = Object.entries(given.keys);
  const keys = new Map(entries.map(([id, key]) => [id, bytesOf(id, key)]));
  if (keys.size === 0 || keys.size > maxKeys) {
    throw new TypeError(`${where} must have 1 to ${maxKeys} keys. ${wanted}`);
  }
  for (const id of keys.keys()) {
    if (id === '' || Buffer.byteLength(id) > maxIdBytes || !id.isWellFormed()) {
      throw new TypeError(`The id of a key must be 1 to ${maxIdBytes} bytes of text.`);
    }
  }
  if (!keys.has(given.current)) {
    throw new TypeError(`${where} has no key ${given.current}, which current names. ${wanted}`);
  }
  return { current: given.current, keys };
}

/** A copy: what the caller does to its own changes nothing. */
function bytesOf(id: string, key: unknown): Buffer {
  const bytes =
    typeof key === 'string'
      ? Buffer.from(key, 'base64')
      : Buffer.from(key instanceof Uint8Array ? key : []);
  // Strict, for Node leaves out what is no base64: a wrong character would be a shorter key.
  const isSame = typeof key !== 'string' || bytes.toString('base64') === key.trim();
  if (bytes.length !== keyBytes || !isSame) {
    throw new TypeError(
      `The key ${id} must be ${keyBytes} random bytes, or their base64: openssl rand -base64 32`,
    );
  }
  return bytes;
}
