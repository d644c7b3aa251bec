import { describe, expect, it } from 'vitest';
import { PacedAnswers } from '../../../src/node/paced-answers.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { LoopNode } from '../../support/nodes/loop-node.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';

const bob = { address: 'identity bob', name: 'bob' };
const alice = { address: 'identity alice', name: 'alice' };

function setUp() {
  let nowMs = 0;
  const timers: { atMs: number; callback: () => void }[] = [];
  const clock = {
    monotonicMs: () => nowMs,
    setTimer: (delayMs: number, callback: () => void) => {
      timers.push({ atMs: nowMs + delayMs, callback });
      return { cancel: () => undefined };
    },
  };
  const answers = new PacedAnswers(clock as unknown as Clock);
  const pass = (ms: number): void => {
    const untilMs = nowMs + ms;
    for (;;) {
      const [next] = timers.sort((a, b) => a.atMs - b.atMs);
      if (next === undefined || next.atMs > untilMs) break;
      timers.shift();
      nowMs = Math.max(nowMs, next.atMs);
      next.callback();
    }
    nowMs = Math.max(nowMs, untilMs);
  };
  const given: number[] = [];
  let asked = 0;
  const ask = (tookMs: number, asker = bob): boolean => {
    asked += 1;
    const number = asked;
    return answers.give(asker, () => {
      given.push(number);
      nowMs += tookMs;
    });
  };
  return { pass, given, ask };
}

describe('answers that may be large', () => {
  it('are given one by one where each takes long, in the order of the questions', () => {
    const { pass, given, ask } = setUp();
    for (let index = 0; index < 4; index += 1) expect(ask(5)).toBe(true);
    expect(given).toEqual([1]);
    pass(39);
    expect(given).toEqual([1]);
    pass(1);
    expect(given).toEqual([1, 2]);
    pass(1_000);
    expect(given).toEqual([1, 2, 3, 4]);
  });

  it('take a ninth of the time at most, however many ask', () => {
    const { pass, given, ask } = setUp();
    for (let index = 0; index < 200; index += 1) ask(1);
    pass(900 - 2);
    expect(given.length).toBeGreaterThan(90);
    expect(given.length).toBeLessThanOrEqual(102);
  });

  it('are given at once where they are cheap, and where none was asked for lately', () => {
    const { pass, given, ask } = setUp();
    for (let index = 0; index < 1_000; index += 1) ask(0);
    expect(given).toHaveLength(1_000);
    ask(5);
    pass(40);
    ask(5);
    expect(given).toHaveLength(1_002);
  });

  it('are refused beyond two thirds of 256 places for one asker, and 256 for all', () => {
    const { pass, given, ask } = setUp();
    const taken = Array.from({ length: 300 }, () => ask(5)).filter((took) => took);
    expect(taken).toHaveLength(172);
    pass(40);
    expect(given).toEqual([1, 2]);
    expect(ask(5)).toBe(true);
    const others = Array.from({ length: 300 }, (_, index) =>
      ask(5, { address: `identity ${index}`, name: '' }),
    );
    expect(others.filter((took) => took)).toHaveLength(256 - 171);
  });

  it('come in turn for those who ask: one that asks without end keeps no one waiting', () => {
    const { pass, given, ask } = setUp();
    for (let index = 0; index < 300; index += 1) ask(5);
    expect(ask(5, alice)).toBe(true);
    pass(100);
    expect(given).toEqual([1, 2, 301]);
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
    pacedAnswers.give(bob, () => clock.work(5));
    expect(await operator.ask({ type })).toBeNull();
    for (let other = 0; pacedAnswers.waiting.entries < 256; other += 1) {
      pacedAnswers.give({ address: `identity ${other}`, name: '' }, () => undefined);
    }
    expect(await operator.ask({ type })).toMatchObject({ code: 'BUSY', retryAfterMs: 100 });
    await clock.advance(40);
    await settle();
    expect(operator.answer(1)).toMatchObject({ type });
    await loop.stop();
  },
);
