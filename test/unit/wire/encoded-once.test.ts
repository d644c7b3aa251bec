import { describe, expect, it } from 'vitest';
import { decodeFrame, encodeMessage } from '../../../src/wire/codec.ts';
import { encodedOnce } from '../../../src/wire/encoded-once.ts';
import { widestLimits } from '../../../src/wire/limits.ts';
import { readers } from '../../../src/wire/readers.ts';
import { fromNodeSamples } from '../../support/samples/samples.ts';

const { list, locks, topology } = fromNodeSamples;

describe.each(['binary', 'text'] as const)('a value that is encoded once, as %s', (form) => {
  const decoded = (frame: Uint8Array | string) =>
    decodeFrame(frame, { readers: readers['from-node'], limits: widestLimits });

  it.each([
    ['list', list, { ...list, transactions: encodedOnce([...list.transactions]) }],
    ['locks', locks, { ...locks, locks: encodedOnce([...locks.locks]) }],
  ])('%s arrives as it would otherwise', (_, plain, once) => {
    const expected = decoded(encodeMessage(plain, form));
    for (const id of [1, 2 ** 40]) {
      expect(decoded(encodeMessage({ ...once, id }, form))).toEqual(
        decoded(encodeMessage({ ...plain, id }, form)),
      );
    }
    expect(decoded(encodeMessage(once, form))).toEqual(expected);
  });

  it('topology arrives as it would otherwise', () => {
    const [leaders, nodes] = [encodedOnce([...topology.leaders]), encodedOnce([...topology.nodes])];
    const expected = decoded(encodeMessage(topology, form));
    const once = { ...topology, leaders, nodes };
    for (let time = 0; time < 2; time += 1) {
      expect(decoded(encodeMessage(once, form))).toEqual(expected);
    }
  });

  it('is read once, however many are sent it', () => {
    let reads = 0;
    const [first] = list.transactions;
    const labels = {
      get tenant() {
        reads += 1;
        return 'blue';
      },
    };
    const transactions = encodedOnce([{ ...first, labels }] as unknown as typeof list.transactions);
    encodeMessage({ ...list, transactions, id: 1 }, form);
    const readsOfOne = reads;
    expect(readsOfOne).toBeGreaterThan(0);
    for (let id = 2; id < 10; id += 1) encodeMessage({ ...list, transactions, id }, form);
    expect(reads).toBe(readsOfOne);
  });

  it('is read once in a topology too', () => {
    let reads = 0;
    const [first] = topology.nodes;
    const node = {
      ...first,
      get node() {
        reads += 1;
        return 'a';
      },
    };
    const nodes = encodedOnce([node] as unknown as typeof topology.nodes);
    const once = { ...topology, leaders: encodedOnce([...topology.leaders]), nodes };
    encodeMessage(once, form);
    const readsOfOne = reads;
    expect(readsOfOne).toBeGreaterThan(0);
    for (let peer = 2; peer < 10; peer += 1) encodeMessage(once, form);
    expect(reads).toBe(readsOfOne);
  });

  it('refuses what cannot be sent, as ever', () => {
    const transactions = encodedOnce([{ labels: { tenant: Number.NaN } }]);
    expect(() => encodeMessage({ ...list, transactions } as unknown as typeof list, form)).toThrow(
      TypeError,
    );
  });
});
