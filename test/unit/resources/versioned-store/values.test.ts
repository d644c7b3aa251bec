/**
 * What a store or an outbox would keep as something else is refused, with where it stands; what it
 * keeps, it gives back.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { vote } from '../../../../src/participant.ts';
import { VersionedStore } from '../../../../src/resources/versioned-store/store.ts';
import { temporaryDirectory } from '../../../support/logs/stores.ts';
import { ManualClock } from '../../../support/samples/manual-clock.ts';
import { StoreRig } from './rig.ts';

class Money {
  readonly cents = 1;
}

/** Every kind that msgpackr would take and change. */
const changed: readonly (readonly [name: string, value: unknown, where: string])[] = [
  ['a Map', { stock: new Map([['a', 1]]) }, '.stock is a Map'],
  ['a Set', new Set([1]), 'is a Set'],
  ['a Date', { items: [{ when: new Date(0) }] }, '.items[0].when is a Date'],
  ['an instance of a class', new Money(), 'is a Money'],
  ['NaN', { left: Number.NaN }, '.left is NaN'],
  ['Infinity', [Infinity], '[0] is Infinity'],
  ['another typed array', new Float32Array(1), 'is a Float32Array'],
  ['a function', { toJSON: () => 1 }, '.toJSON is a function'],
  ['a wide bigint', 2n ** 64n, 'is a bigint'],
  ['an Error', new Error('x'), 'is a Error'],
];

let rig: StoreRig;
beforeEach(async () => {
  rig = await StoreRig.open();
});
afterEach(() => rig.dispose());

describe('a versioned store', () => {
  it.each(changed)('refuses %s at the write', async (_name, value, where) => {
    const branch = rig.rules(async (tx) => {
      await tx.write('x', value);
      return vote.commit();
    });
    await expect(branch.prepare()).rejects.toThrow(
      `the value of x${where.startsWith('is') ? ' ' : ''}${where}`,
    );
    await branch.rollback();
    expect(rig.value('x')).toBe(10);
  });

  it.each(changed)(
    'refuses to begin with %s, and begins with something else then',
    async (_name, value) => {
      const directory = temporaryDirectory();
      const open = (first: unknown) =>
        VersionedStore.open({
          dataDirectory: directory.path,
          clock: new ManualClock(),
          onFatal: (error) => {
            throw error;
          },
          initial: [{ key: 'x', value: first }],
        });
      try {
        await expect(open(value)).rejects.toThrow(TypeError);
        const store = await open(1);
        expect(store.read('x')).toEqual({ value: 1, version: 1 });
        await store.close();
      } finally {
        directory.remove();
      }
    },
  );

  it('gives back after a restart what was written', async () => {
    const values: readonly unknown[] = [
      null,
      'é',
      1.5,
      -3,
      2n ** 63n,
      new Uint8Array([0, 255]),
      [[]],
      { a: { b: [1] } },
      { constructor: 'a', toJSON: 'b' },
    ];
    const branch = rig.rules(async (tx) => {
      await tx.write('x', values);
      return vote.commit();
    });
    await branch.prepare();
    await branch.commit();
    await rig.reopen();
    const back = rig.value('x') as readonly unknown[];
    expect(back.map((value) => (value instanceof Uint8Array ? [...value] : value))).toEqual(
      values.map((value) => (value instanceof Uint8Array ? [...value] : value)),
    );
  });
});
