import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { isTxid, makeEpoch, placeOf, type Txid } from '../../../src/core/txid.ts';
import { newTxidSecret, TxidSeal } from '../../../src/system/txid-seal.ts';
import { seededRandom } from '../../support/samples/seeded-random.ts';

const random = seededRandom(3);
const epoch = makeEpoch({ generation: 0, revision: 5n });
const issue = (seal: TxidSeal, sequence: number): Txid => {
  const place = placeOf({ shard: 0, epoch, sequence });
  return `${place}${seal.randomPart(place, random)}` as Txid;
};

it('a txid proves that this cluster gave it out, whichever node looks', () => {
  const secret = newTxidSecret(random);
  const [one, other] = [new TxidSeal(secret), new TxidSeal(secret)];
  const stranger = new TxidSeal(newTxidSecret(random));
  for (let sequence = 0; sequence < 500; sequence += 1) {
    const txid = issue(one, sequence);
    expect(isTxid(txid)).toBe(true);
    expect(other.isIssued(txid)).toBe(true);
    expect(stranger.isIssued(txid)).toBe(false);
  }
});

it('nothing of it can be another', () => {
  const seal = new TxidSeal(newTxidSecret(random));
  const txid = issue(seal, 36);
  for (let at = 0; at < txid.length; at += 1) {
    if (txid[at] === '.') continue;
    const changed =
      `${txid.slice(0, at)}${txid[at] === 'k' ? 'j' : 'k'}${txid.slice(at + 1)}` as Txid;
    expect(seal.isIssued(changed), changed).toBe(false);
  }
});

it('the same place twice, as after a log that was set back, is two ids', () => {
  const seal = new TxidSeal(newTxidSecret(random));
  expect(new Set(Array.from({ length: 200 }, () => issue(seal, 1))).size).toBe(200);
});

it('the hash is HMAC-SHA-256, as Node makes it', () => {
  for (const length of [1, 32, 64]) {
    const secret = random.token(length);
    const txid = issue(new TxidSeal('x'), 7);
    const digest = createHmac('sha256', secret).update(`share ${txid}`).digest('base64url');
    expect(new TxidSeal(secret).shareOf(txid)).toBe(digest.slice(0, 22));
  }
  expect(() => new TxidSeal('x'.repeat(65))).toThrow(RangeError);
});
