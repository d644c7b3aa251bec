/** Which chains the authorities of a file still vouch for, made-up ones among them. */
import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { authoritiesIn, vouchForChain } from '../../../src/transport/tls/authorities.ts';
import { type TestAuthority, testAuthority } from '../../support/network/certificates.ts';
import { crossSigned, freshKey } from '../../support/network/cross-signed.ts';

let old: TestAuthority;
let current: TestAuthority;
let leaf: string;

const chainOf = (...pems: string[]) => pems.map((pem) => new X509Certificate(pem));
const change = (before: readonly string[], now: readonly string[]) =>
  [authoritiesIn(before.join('')), authoritiesIn(now.join(''))] as const;

describe('once an authority is taken out', () => {
  beforeAll(async () => {
    [old, current] = [await testAuthority('old'), await testAuthority('current')];
    leaf = (await old.identity('mallory')).certificate;
  });

  it('a chain that ends in it is not vouched for, and one of another is', async () => {
    const [before, now] = change([old.ca, current.ca], [current.ca]);
    const { certificate } = await current.identity('payment');
    expect(vouchForChain(chainOf(leaf, old.ca), before, now)).toBe(false);
    expect(vouchForChain(chainOf(certificate, current.ca), before, now)).toBe(true);
    expect(vouchForChain(chainOf(certificate), before, now)).toBe(false);
    expect(vouchForChain([], before, now)).toBe(false);
  });

  it('an intermediate that no one signed leads to no other authority', async () => {
    const [before, now] = change([old.ca, current.ca], [current.ca]);
    const key = await freshKey();
    const own = await crossSigned(old.ca, { issuer: current.ca, key });
    const other = await crossSigned((await testAuthority('old')).ca, { issuer: current.ca, key });
    for (const madeUp of [own, other]) {
      expect(vouchForChain(chainOf(leaf, madeUp, current.ca), before, now)).toBe(false);
      expect(vouchForChain(chainOf(leaf, madeUp), before, now)).toBe(false);
    }
    // Not even where the old one had not stood in the file itself.
    const [without] = change([current.ca], []);
    expect(vouchForChain(chainOf(leaf, own, current.ca), without, now)).toBe(false);
  });

  it('an intermediate is worth what its signer is, and only as an authority', async () => {
    const middle = await testAuthority('middle');
    const below = (await middle.identity('payment')).certificate;
    const ofOld = await crossSigned(middle.ca, { issuer: old.ca, key: old.credential.key });
    const by = { issuer: current.ca, key: current.credential.key };
    const ofCurrent = await crossSigned(middle.ca, by);
    const noAuthority = await crossSigned(middle.ca, { ...by, isAuthority: false });
    const [before, now] = change([old.ca, current.ca], [current.ca]);
    expect(vouchForChain(chainOf(below, ofOld, old.ca), before, now)).toBe(false);
    expect(vouchForChain(chainOf(below, ofOld, current.ca), before, now)).toBe(false);
    expect(vouchForChain(chainOf(below, ofCurrent, current.ca), before, now)).toBe(true);
    expect(vouchForChain(chainOf(below, noAuthority, current.ca), before, now)).toBe(false);
  });

  it('what it signed itself is not vouched for by way of another', async () => {
    const by = { issuer: current.ca, key: current.credential.key };
    const bridge = await crossSigned(old.ca, by);
    const chain = chainOf(leaf, bridge, current.ca);
    const [before, now] = change([old.ca, current.ca], [current.ca]);
    // It comes again, and OpenSSL judges it.
    expect(vouchForChain(chain, before, now)).toBe(false);
    const [without] = change([current.ca, (await testAuthority('third')).ca], []);
    expect(vouchForChain(chain, without, now)).toBe(true);
  });

  it('an intermediate that stood in the file is one, too', async () => {
    const middle = await testAuthority('middle');
    const below = (await middle.identity('payment')).certificate;
    const by = { issuer: current.ca, key: current.credential.key };
    const inFile = await crossSigned(middle.ca, by);
    const [before, now] = change([current.ca, inFile], [current.ca]);
    expect(vouchForChain(chainOf(below, inFile, current.ca), before, now)).toBe(false);
  });
});
