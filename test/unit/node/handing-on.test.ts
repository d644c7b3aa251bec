/** A node that leads all hands shards on to one that joins: several at once if none is busy. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { LoopNode } from '../../support/nodes/loop-node.ts';

const shards = 16;
const drainMs = 100;
/** A look, and the time until the others have taken what was given up. */
const lookMs = 2_500;

let all: LoopNode;
let joined: LoopNode | null = null;
beforeEach(async () => {
  all = await LoopNode.started({ drainMs }, { node: 'n1', store: new MemoryLogStore({ shards }) });
});
afterEach(async () => {
  await all.stop();
  await joined?.stop();
  joined = null;
});

async function ledBySecond(): Promise<number> {
  const { store, clock } = all;
  joined = await LoopNode.started({}, { node: 'n2', store, clock });
  await clock.advance(lookMs);
  expect(all.node.drivers.size + joined.node.drivers.size).toBe(shards);
  return joined.node.drivers.size;
}

it('without work: a quarter of the difference', async () => {
  expect(all.node.drivers.size).toBe(shards);
  expect(await ledBySecond()).toBe(shards / 4);
});

it('with work in each: one, however large the difference', async () => {
  const client = await all.peer({ name: 'shop', roles: ['client'] });
  const busy = () => [...all.node.drivers.values()].filter(({ term }) => term.undecided() > 0);
  for (let count = 0; busy().length < shards && count < 1_000; count += 1) {
    await client.ask({ type: 'begin' });
  }
  expect(busy()).toHaveLength(shards);
  expect(await ledBySecond()).toBe(1);
});
