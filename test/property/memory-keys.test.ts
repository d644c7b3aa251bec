import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MemoryKeys } from '../../src/store/memory-keys.ts';

const key = fc.integer({ min: 0, max: 30 }).map((n) => `k${n.toString(36)}`);
const command = fc.oneof(
  fc.record({ put: key, value: fc.nat() }),
  fc.record({ remove: key }),
  fc.record({ start: key, end: key, limit: fc.integer({ min: 0, max: 10 }) }),
);

it('keys in memory behave as a sorted list', () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
      const keys = new MemoryKeys();
      const model = new Map<string, number>();
      for (const step of commands) {
        if ('put' in step) {
          keys.put(step.put, step.value);
          model.set(step.put, step.value);
        } else if ('remove' in step) {
          keys.remove(step.remove);
          model.delete(step.remove);
        } else {
          const expected = [...model]
            .filter(([name]) => name >= step.start && name < step.end)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .slice(0, step.limit);
          expect(keys.range(step)).toEqual(expected);
        }
      }
      for (const [name, value] of model) expect(keys.get(name)).toBe(value);
      expect(keys.size).toBe(model.size);
    }),
  );
});
