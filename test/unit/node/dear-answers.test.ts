import { describe, expect, it } from 'vitest';
import { DearAnswers } from '../../../src/node/dear-answers.ts';
import type { Clock } from '../../../src/ports/clock.ts';

function setUp() {
  let nowMs = 0;
  let made = 0;
  const answers = new DearAnswers({ monotonicMs: () => nowMs } as Clock);
  const ask = (question: string, tookMs: number): number =>
    answers.take(question, () => {
      nowMs += tookMs;
      made += 1;
      return made;
    });
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  return { ask, wait };
}

describe('an answer that is dear', () => {
  it('is given again for twenty times as long as it took, a second at most', () => {
    const { ask, wait } = setUp();
    expect(ask('list', 10)).toBe(1);
    wait(199);
    expect(ask('list', 10)).toBe(1);
    expect(ask('info', 10)).toBe(2);
    wait(200);
    expect(ask('list', 500)).toBe(3);
    wait(999);
    expect(ask('list', 500)).toBe(3);
    wait(2);
    expect(ask('list', 500)).toBe(4);
  });

  it('is made anew each time where it is cheap', () => {
    const { ask } = setUp();
    expect([ask('list', 1), ask('list', 1), ask('list', 0)]).toEqual([1, 2, 3]);
  });

  it('makes room for others', () => {
    const { ask } = setUp();
    for (let index = 0; index < 40; index += 1) ask(`list ${index}`, 2);
    expect(ask('list 39', 2)).toBe(40);
    expect(ask('list 0', 2)).toBe(41);
  });
});
