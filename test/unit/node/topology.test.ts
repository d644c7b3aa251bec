/** Who leads and who is up goes to every peer, so a node with many of both must not drown in it. */
import { describe, expect, it } from 'vitest';
import type { FromNode } from '../../../src/core/messages.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { PacedNews } from '../../../src/node/paced-news.ts';
import { LoopNode } from '../../support/nodes/loop-node.ts';
import { ManualClock, settle } from '../../support/samples/manual-clock.ts';

/** Time that telling takes. */
class WorkClock extends ManualClock {
  #workMs = 0;

  work(forMs: number): void {
    this.#workMs += forMs;
  }

  override monotonicMs(): number {
    return super.monotonicMs() + this.#workMs;
  }
}

function setUp(tookMs = 0) {
  const clock = new WorkClock();
  let told = 0;
  const news = new PacedNews(clock, () => {
    told += 1;
    clock.work(tookMs);
  });
  return { clock, news, told: () => told };
}

describe('news for every peer', () => {
  it('is told at once, and what comes just after it together', async () => {
    const { clock, news, told } = setUp();
    news.changed();
    expect(told()).toBe(1);
    for (let index = 0; index < 100; index += 1) news.changed();
    expect(told()).toBe(1);
    await clock.advance(1);
    expect(told()).toBe(2);
    await clock.advance(1_000);
    expect(told()).toBe(2);
    news.changed();
    expect(told()).toBe(3);
  });

  it('takes a fifth of the time', async () => {
    const { clock, news, told } = setUp(50);
    news.changed();
    news.changed();
    await clock.advance(199);
    expect(told()).toBe(1);
    await clock.advance(1);
    expect(told()).toBe(2);
  });

  it('waits no longer than a second', async () => {
    const { clock, news, told } = setUp(3_000);
    news.changed();
    news.changed();
    await clock.advance(1_000);
    expect(told()).toBe(2);
  });

  it('is not told any more once it is closed', async () => {
    const { clock, news, told } = setUp();
    news.changed();
    news.changed();
    news.close();
    news.changed();
    await clock.advance(1_000);
    expect(told()).toBe(1);
    expect(clock.timers).toBe(0);
  });
});

it('tells of many leaders that change together a few times, and of the last state', async () => {
  const shards = 20;
  const clock = new ManualClock();
  const store = new MemoryLogStore({ requestWindowMs: 120_000, shards });
  const first = await LoopNode.started({ drainMs: 0 }, { node: 'first', store, clock });
  const second = await LoopNode.started({}, { node: 'second', store, clock });
  const client = await second.peer({ name: 'client', roles: ['client'] });
  const before = client.heard.length;
  await Promise.all([first.stop(), clock.advance(10)]);
  for (let turn = 0; turn < 50; turn += 1) {
    await clock.advance(100);
    await settle();
  }
  const told = client.heard
    .slice(before)
    .filter((message): message is Extract<FromNode, { type: 'topology' }> => {
      return message.type === 'topology';
    });
  expect(told.at(-1)?.leaders.map((leader) => leader?.node)).toEqual(
    Array.from({ length: shards }, () => 'second'),
  );
  expect(told.length).toBeLessThan(shards);
  await second.stop();
});
