import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Effect, TermEvent } from '../../../../src/core/term/events.ts';
import { makeEpoch, type Txid } from '../../../../src/core/txid.ts';
import { a1, b1, TermHarness } from '../../../support/core/term-harness.ts';
import { requestWindowMs } from '../../../support/core/term-world.ts';
import { makeTxid } from '../../../support/core/txids.ts';

const old: Txid = makeTxid({
  shard: 0,
  epoch: makeEpoch({ generation: 0, revision: 40n }),
  sequence: 1,
  random: 'q'.repeat(13),
});
const ahead = { generation: 0, revision: '105' };
const options = { participantWindow: 3, participantQueue: 9, transactionTimeoutMs: 10_000 };

interface Step {
  readonly event: TermEvent;
  readonly nowMs: number;
}

/** Something of everything at once: see `everything` for what. */
function inTheMiddle(): { h: TermHarness; steps: Step[] } {
  const h = new TermHarness(options);
  const steps: Step[] = [];
  const step = h.world.step.bind(h.world);
  h.world.step = (event) => {
    steps.push({ event: structuredClone(event), nowMs: h.world.nowMs });
    step(event);
  };
  h.world.inherit(7, { requestId: null, finished: false });
  h.world.scan();
  h.log();
  const a = h.connect(a1);
  const b = h.connect(b1);
  // A breaker and a latency with something in them; a commit that is owed, one that is remembered.
  h.transact(['c'], { timeoutMs: 20 });
  h.advance(30);
  h.transact(['a', 'b'], { requestId: 'r1' });
  h.vote(a, 'commit');
  h.vote(b, 'commit');
  h.log();
  h.ack(a, 'commit');
  h.transact(['a']);
  h.vote(a, 'commit');
  h.log();
  h.ack(a, 'commit');
  h.log();
  h.transact(['b'], { locks: [{ keys: ['x'] }] });
  h.transact(['b'], { locks: [{ keys: ['x'] }] });
  for (const name of ['p', 'q']) h.transact(['a'], { labels: { name } });
  h.transact(['a', 'b']);
  // In the log's hands: a decision, and every question that can be asked of it.
  h.transact(['b']);
  h.vote(b, 'commit');
  h.transact(['a'], { requestId: 'r2', attempt: 2 });
  h.transact(['a'], { requestId: 'r3', requestAgeMs: requestWindowMs + 1 });
  h.transact(['a'], { requestId: 'r4', timeoutMs: 5 });
  h.advance(10);
  h.ask({ type: 'query', txid: old, inDoubt: true, witness: ahead }, { as: a });
  h.ask({ type: 'query', txid: old, inDoubt: true }, { as: a });
  h.ask({ type: 'status', txid: old });
  h.vote(a, 'commit', { txid: old });
  const kept = [old];
  const { witness } = h.world.log;
  h.ask({ type: 'report', kept, inDoubt: [{ txid: old, witness }] }, { as: a });
  h.ask({ type: 'report', kept, inDoubt: [{ txid: old, witness: ahead }] }, { as: b });
  h.ask({ type: 'report', kept, inDoubt: [] }, { as: b });
  return { h, steps };
}

const everything = [
  ...['witness', 'decision', 'status', 'in-doubt', 'report-witnesses', 'report-kept'],
  ...['attempt', 'expired', 'aborted'],
  ...['PREPARING', 'READY', 'COMMITTING', 'COMMITTED', 'ABORTED', 'closed', 'exclusive'],
];

describe('what a term remembers', () => {
  it('is data, every open question too, and can be copied and compared', () => {
    const { h } = inTheMiddle();
    const before = printed(h);
    expect(printed(inTheMiddle().h) === before).toBe(true);
    h.advance(1);
    expect(printed(h) === before, 'the clock is in it').toBe(false);
    h.world.step({ type: 'lost' });
    expect(printed(h)).toContain("'lost'");
  });

  it('can be printed, down to who waits for what', () => {
    const text = printed(inTheMiddle().h);
    expect(everything.filter((word) => !text.includes(`'${word}'`))).toEqual([]);
  });

  it('is what the same events make of it again, step by step', () => {
    const { steps } = inTheMiddle();
    const [first, second] = [new TermHarness(options), new TermHarness(options)];
    const effects: Effect[][] = [[], []];
    let before = '';
    for (const { event, nowMs } of steps) {
      for (const [index, h] of [first, second].entries()) {
        h?.world.term.step(structuredClone(event), nowMs);
        effects[index]?.push(...(h?.world.term.drain() ?? []));
      }
      const now = printed(first);
      expect(now === printed(second), event.type).toBe(true);
      expect(now === before, event.type).toBe(false);
      before = now;
    }
    expect(effects[1]).toEqual(effects[0]);
  });
});

/** A few levels of each part: a transaction is printed once for each thing that refers to it. */
function printed(h: TermHarness): string {
  // Throws at a function.
  const copy = structuredClone(h.world.term.memory);
  return Object.entries(copy)
    .map(([name, part]) => `${name}: ${inspect(part, { depth: 4, maxArrayLength: null })}`)
    .join('\n');
}
