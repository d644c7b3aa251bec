/** What an operator reads where no node takes a shard: each of them says why, in its own words. */
import { expect, it } from 'vitest';
import { HandOver, type Willing } from '../../../src/coordinator/hand-over.ts';
import type { ShardDriver } from '../../../src/coordinator/shard-driver.ts';
import { makeEpoch } from '../../../src/core/txid.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { LoopNode } from '../../support/nodes/loop-node.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const leader = { shard: 0, epoch: makeEpoch({ generation: 0, revision: 1n }), node: 'a', url: '' };

async function whyOf(refused: Willing['refused']): Promise<string> {
  const handOver = new HandOver({
    clock: new ManualClock(),
    logger: silentLogger,
    successors: {
      willing: () => Promise.resolve({ nodes: [], refused, silent: [] }),
      tell: () => Promise.reject(new Error('No one is told.')),
    },
    participants: () => 0,
    led: () => new Map(),
  });
  const driver = { leader } as unknown as ShardDriver;
  const given = await handOver.give(driver, { drainMs: 0, askMs: 300 });
  return given.type === 'kept' ? given.why : '';
}

it('the words of one node do not run into the name of the next', async () => {
  const earlier = 'This node is drained. To end that: verdict undrain c';
  expect(
    await whyOf([
      { node: 'c', why: earlier },
      { node: 'b', why: 'This node is stopping. Name another one.' },
    ]),
  ).toBe(
    `No other node is ready to take it. c: ${earlier}. b: This node is stopping. Name another one.`,
  );
});

it('a command in them does not end with a full stop, which would be copied with it', async () => {
  const loop = await LoopNode.started({ drainMs: 0 });
  try {
    void loop.node.drain();
    const { leading, given } = loop.node;
    const why = leading.refusalOf({ ...leader, node: 'another' });
    expect(why).toBe(`This node is drained: verdict undrain ${given.node} ends that.`);
  } finally {
    await loop.stop();
  }
});
