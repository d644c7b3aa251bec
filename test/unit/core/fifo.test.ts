import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fifo } from '../../../src/core/fifo.ts';

describe('a queue', () => {
  it('keeps the order of those who are in it, whoever leaves', () => {
    const move = fc.oneof(
      fc.record({ what: fc.constant('add' as const), one: fc.nat(200) }),
      fc.record({ what: fc.constant('delete' as const), one: fc.nat(200) }),
      fc.record({ what: fc.constant('first' as const), one: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(move, { maxLength: 300 }), (moves) => {
        const queue = new Fifo<number>();
        let model: number[] = [];
        for (const { what, one } of moves) {
          if (what === 'add') {
            queue.add(one);
            if (!model.includes(one)) model.push(one);
          } else {
            const gone = what === 'delete' ? one : (model[0] ?? 0);
            expect(queue.delete(gone)).toBe(model.includes(gone));
            model = model.filter((each) => each !== gone);
          }
          expect(queue.first()).toBe(model[0] ?? null);
          expect(queue.size).toBe(model.length);
          expect(queue.has(one)).toBe(model.includes(one));
        }
        expect([...queue]).toEqual(model);
      }),
    );
  });

  it('costs each who passes through it the same, however long it is', () => {
    /** Looks at a place of the queue for each of 30,000 that come while another goes. */
    const looksFor = (length: number): number => {
      const queue = new Fifo<number>();
      const inside = queue as unknown as { items: object };
      let looks = 0;
      let counted: object | null = null;
      const count = (): void => {
        if (inside.items === counted) return;
        counted = new Proxy(inside.items, {
          get: (target, field, receiver) => {
            if (typeof field === 'string' && /^\d+$/.test(field)) looks += 1;
            return Reflect.get(target, field, receiver);
          },
        });
        inside.items = counted;
      };
      // Those in the middle leave too: every third.
      let next = 0;
      const come = (): void => {
        queue.add(next);
        next += 1;
      };
      while (next < length) come();
      for (let turn = 0; turn < 30_000; turn += 1) {
        count();
        const first = queue.first() ?? 0;
        queue.delete(turn % 3 === 0 ? first + Math.floor(length / 2) : first);
        come();
      }
      return looks;
    };
    expect(looksFor(8_000)).toBeLessThanOrEqual(2 * looksFor(80));
  });
});
