import { randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SealedError } from '../../../src/ports/cipher.ts';
import { payloadCipher, sealedBy } from '../../../src/system/payload-cipher.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';

const k1 = randomBytes(32);
const k2 = randomBytes(32);
const text = Buffer.from('four apples for Ada');
const old = payloadCipher({ current: 'k1', keys: { k1 } });

function changedAt(sealed: Uint8Array, at: number): Uint8Array {
  const copy = Buffer.from(sealed);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

describe('a payload cipher', () => {
  it.each([0, 1, 15, 16, 17, 100_000])('opens what it sealed, of %i bytes', (length) => {
    const plain = randomBytes(length);
    const sealed = old.seal(plain, 'a');
    expect(Buffer.from(old.open(sealed, 'a')).equals(plain)).toBe(true);
    expect(sealed.length).toBe(length + 2 + 'k1'.length + 16 + 12 + 16);
  });

  it('seals the same value otherwise each time, and shows nothing of it', () => {
    const all = Array.from({ length: 600 }, () => Buffer.from(old.seal(text, 'a')));
    const nonces = all.map((each) => each.subarray(20, 32).toString('hex'));
    expect(new Set(nonces).size).toBe(all.length);
    expect(all.some((each) => each.includes('apples'))).toBe(false);
  });

  it('opens nothing in another context', () => {
    const sealed = old.seal(text, 'store\nl/1/b');
    expect(() => old.open(sealed, 'store\nl/2/b')).toThrow(SealedError);
    expect(() => old.open(sealed, 'store\nl/2/b')).toThrow(/belongs to another entry/);
  });

  it('opens nothing of which one bit was changed, wherever', () => {
    const sealed = old.seal(text, 'a');
    for (let at = 0; at < sealed.length; at += 1) {
      expect(() => old.open(changedAt(sealed, at), 'a')).toThrow(SealedError);
    }
  });

  it('opens nothing that was cut, at whatever byte', () => {
    const sealed = old.seal(text, 'a');
    for (let length = 0; length < sealed.length; length += 1) {
      expect(() => old.open(sealed.subarray(0, length), 'a')).toThrow(SealedError);
    }
  });

  it('says which key is missing, and which is not the same any more', () => {
    const sealed = old.seal(text, 'a');
    const without = payloadCipher({ current: 'k2', keys: { k2 } });
    expect(() => without.open(sealed, 'a')).toThrow(/the key k1, which is not given. Add it/);
    const other = payloadCipher({ current: 'k1', keys: { k1: k2 } });
    expect(() => other.open(sealed, 'a')).toThrow(/the key k1 sealed.*Give the right key/);
  });

  it('says that a newer program wrote a newer format', () => {
    const sealed = Buffer.from(old.seal(text, 'a'));
    sealed[0] = 2;
    expect(() => old.open(sealed, 'a')).toThrow(/format 2.*up to 1.*newer program/);
  });

  it('seals with the current key, and opens what earlier ones sealed', () => {
    const rotated = payloadCipher({ current: 'k2', keys: { k1, k2: k2.toString('base64') } });
    expect(Buffer.from(rotated.open(old.seal(text, 'a'), 'a'))).toEqual(text);
    const sealed = rotated.seal(text, 'a');
    expect(sealedBy(sealed)).toBe('k2');
    const done = payloadCipher({ current: 'k2', keys: { k2 } });
    expect(Buffer.from(done.open(sealed, 'a'))).toEqual(text);
  });

  it('derives another key where one has sealed as much as it may', () => {
    const bounded = payloadCipher({ current: 'k1', keys: { k1 } }, { maxSealedBySalt: 2 });
    const all = Array.from({ length: 5 }, () => Buffer.from(bounded.seal(text, 'a')));
    const salts = all.map((each) => each.subarray(4, 20).toString('hex'));
    expect(salts.map((salt) => salts.indexOf(salt))).toEqual([0, 0, 2, 2, 4]);
    for (const each of all) expect(Buffer.from(old.open(each, 'a'))).toEqual(text);
  });

  it('is not changed by who changes the bytes that were given', () => {
    const given = Buffer.from(k1);
    const cipher = payloadCipher({ current: 'k1', keys: { k1: given } });
    given.fill(0);
    expect(Buffer.from(old.open(cipher.seal(text, 'a'), 'a'))).toEqual(text);
  });

  it.each([
    ['no keys', { current: 'k1', keys: {} }, /1 to 16 keys/],
    ['a current one that is not there', { current: 'k3', keys: { k1 } }, /no key k3/],
    ['a short key', { current: 'k1', keys: { k1: randomBytes(16) } }, /32 random bytes/],
    ['no base64', { current: 'k1', keys: { k1: `${'?'.repeat(44)}` } }, /32 random bytes/],
    ['an empty id', { current: '', keys: { '': k1 } }, /1 to 64 bytes/],
    ['a long id', { current: 'x'.repeat(65), keys: { ['x'.repeat(65)]: k1 } }, /1 to 64 bytes/],
    ['another field', { current: 'k1', keys: { k1 }, currrent: 'k2' }, /no field "currrent"/],
  ])('refuses %s', (_, given, why) => {
    expect(() => payloadCipher(given)).toThrow(why);
  });

  it('shows nothing of a key that stands in a wrong place', () => {
    const secret = k1.toString('base64');
    const given = { current: 'k1', keys: secret } as never;
    expect(() => payloadCipher(given)).toThrow(/must be \{ "current"/);
    expect(() => payloadCipher(given)).not.toThrow(secret.slice(0, 8));
  });

  it('takes its keys from a file that only its account can read', () => {
    const directory = temporaryDirectory();
    const file = join(directory.path, 'keys.json');
    writeFileSync(file, JSON.stringify({ current: 'k1', keys: { k1: k1.toString('base64') } }));
    chmodSync(file, 0o644);
    expect(() => payloadCipher({ file })).toThrow(/open to others.*chmod 600/);
    chmodSync(file, 0o600);
    expect(Buffer.from(payloadCipher({ file }).open(old.seal(text, 'a'), 'a'))).toEqual(text);
    writeFileSync(file, '{"current": "k1", "keys": {"k1": "SECRET');
    expect(() => payloadCipher({ file })).toThrow(/is no JSON/);
    expect(() => payloadCipher({ file })).not.toThrow('SECRET');
    directory.remove();
  });
});
