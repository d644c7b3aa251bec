import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Window } from '../../../../src/core/term/flow/participant-window.ts';

describe('a window', () => {
  it('has its limit of places, and lets the first who waits go first', () => {
    const window = new Window<string>(2);
    window.take(2);
    expect(window.fits(1)).toBe(false);
    window.wait('x');
    window.wait('y');
    window.release();
    expect(window.fits(1)).toBe(true);
    expect(window.first()).toBe('x');
    window.leave('x');
    expect(window.first()).toBe('y');
    expect(window.waiting).toBe(1);
  });

  it('takes one that needs more than there is when nothing else is under way', () => {
    const window = new Window<string>(2);
    expect(window.fits(5)).toBe(true);
    window.take(5);
    expect(window.fits(1)).toBe(false);
    for (let left = 4; left >= 2; left -= 1) {
      window.release();
      expect(window.fits(1)).toBe(false);
    }
    window.release();
    expect(window.fits(1)).toBe(true);
  });

  it('never has more under way than its limit, and keeps the order', () => {
    const move = fc.constantFrom('come', 'go', 'give-up');
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(move, { maxLength: 60 }),
        (limit, moves) => {
          const window = new Window<number>(limit);
          const waiting: number[] = [];
          let next = 0;
          let underWay = 0;
          for (const what of moves) {
            if (what === 'come') {
              next += 1;
              if (waiting.length === 0 && window.fits(1)) {
                window.take(1);
                underWay += 1;
              } else {
                window.wait(next);
                waiting.push(next);
              }
            } else if (what === 'go' && underWay > 0) {
              window.release();
              underWay -= 1;
              const first = window.first();
              expect(first).toBe(waiting[0] ?? null);
              if (first === null) continue;
              window.leave(first);
              waiting.shift();
              window.take(1);
              underWay += 1;
            } else if (what === 'give-up') {
              const gone = waiting.pop();
              if (gone !== undefined) window.leave(gone);
            }
            expect(window.outstanding).toBe(underWay);
            expect(window.waiting).toBe(waiting.length);
            expect(underWay).toBeLessThanOrEqual(limit);
          }
        },
      ),
    );
  });
});
