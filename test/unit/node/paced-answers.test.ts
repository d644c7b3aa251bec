import { describe, expect, it } from 'vitest';
import { PacedAnswers } from '../../../src/node/paced-answers.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { LoopNode } from '../../support/nodes/loop-node.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';

function setUp() {
  let nowMs = 0;
  let timers: (() => void)[] = [];
  const clock = {
    monotonicMs: () => nowMs,
    setTimer: (_delayMs: number, callback: () => void) => {
      timers.push(callback);
      return { cancel: () => undefined };
    },
  };
  const answers = new PacedAnswers(clock as unknown as Clock);
  const turn = (): void => {
    const due = timers;
    timers = [];
    for (const callback of due) callback();
  };
  const given: number[] = [];
  let asked = 0;
  const ask = (tookMs: number): boolean => {
    asked += 1;
    const number = asked;
    return answers.give(() => {
      given.push(number);
      nowMs += tookMs;
    });
  };
  return { turn, given, ask };
}

describe('answers that may be large', () => {
  it('are given one a turn where each takes long, in the order of the questions', () => {
    const { turn, given, ask } = setUp();
    for (let index = 0; index < 4; index += 1) expect(ask(5)).toBe(true);
    expect(given).toEqual([1]);
    turn();
    expect(given).toEqual([1, 2]);
    turn();
    turn();
    expect(given).toEqual([1, 2, 3, 4]);
  });

  it('are given at once where they are cheap', () => {
    const { given, ask } = setUp();
    for (let index = 0; index < 1_000; index += 1) ask(0);
    expect(given).toHaveLength(1_000);
  });

  it('are refused where 256 wait', () => {
    const { turn, given, ask } = setUp();
    const taken = Array.from({ length: 300 }, () => ask(5)).filter((took) => took);
    expect(taken).toHaveLength(257);
    turn();
    expect(given).toEqual([1, 2]);
    expect(ask(5)).toBe(true);
  });
});

/** Time that an answer takes. */
class WorkClock extends ManualClock {
  #workMs = 0;

  work(forMs: number): void {
    this.#workMs += forMs;
  }

  override monotonicMs(): number {
    return super.monotonicMs() + this.#workMs;
  }
}

it.each(['info', 'list', 'locks'] as const)(
  '%s waits for its turn, or is told when to ask again',
  async (type) => {
    const clock = new WorkClock();
    const loop = await LoopNode.started({}, { node: 'loop', clock });
    const operator = await loop.peer({ name: 'operator', roles: ['operator'] });
    const { pacedAnswers } = loop.node;
    pacedAnswers.give(() => clock.work(5));
    expect(await operator.ask({ type })).toBeNull();
    while (pacedAnswers.give(() => undefined));
    expect(await operator.ask({ type })).toMatchObject({ code: 'BUSY', retryAfterMs: 100 });
    await clock.advance(1);
    await settle();
    expect(operator.answer(1)).toMatchObject({ type });
    await loop.stop();
  },
);
