/**
 * A payload that a peer takes is one that a store keeps: a vote that cannot be written ends its
 * process.
 */
import { Packr } from 'msgpackr';
import { expect, it } from 'vitest';
import { plain } from '../../src/store/plain.ts';
import { encodeBinary } from '../../src/wire/binary.ts';
import { widestLimits } from '../../src/wire/limits.ts';
import { namedFields, wicked } from '../fuzz/values.ts';
import { sampleTxid } from '../support/samples/samples.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { decode } from '../support/samples/wire.ts';

it('what arrives as a payload is kept as it is', () => {
  const random = seededRandom(20_261_129);
  const codec = new Packr(plain);
  let taken = 0;
  for (let count = 0; count < 20_000; count += 1) {
    const payload = count % 2 === 0 ? wicked(random) : namedFields(random);
    const frame = encodeBinary({
      type: 'enlist',
      id: 1,
      txid: sampleTxid,
      participant: 'p',
      payload,
    });
    const [decoded] = decode(frame, 'to-node', widestLimits);
    if (decoded?.ok !== true || decoded.message.type !== 'enlist') continue;
    taken += 1;
    const { payload: arrived } = decoded.message;
    expect(codec.unpack(codec.pack(arrived))).toEqual(arrived);
  }
  expect(taken).toBeGreaterThan(5_000);
});
