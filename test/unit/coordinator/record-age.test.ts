/** How long a record stays, whatever `tickMs` the leaders have that follow one another. */
import { expect, it } from 'vitest';
import { ShardDriver } from '../../../src/coordinator/shard-driver.ts';
import { coordinatorOptions } from '../../../src/core/coordinator-options.ts';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import type { Leadership } from '../../../src/ports/decision-log.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { commitOf, decideAll, never, realRandom, txidAt } from '../../support/logs/stores.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

const clock = new ManualClock();
const store = new MemoryLogStore();
const log = openMemoryLog({ store, node: 'n', url: 'ws://n', clock });

/** Leads for as long, and gives it up. */
async function lead(tickMs: number, work: (leadership: Leadership) => Promise<void>) {
  const options = coordinatorOptions({ tickMs, maxFinished: 1 });
  const leadership = await log.campaign(0, { signal: never, tickMs });
  const { shard, epoch } = leadership;
  const driver = new ShardDriver({
    ...{ log, leadership, clock, options, logger: silentLogger, debug: false, random: realRandom },
    leader: { shard, epoch, node: 'n', url: 'ws://n' },
    reached: () => undefined,
    send: () => undefined,
    onBroken: (error) => {
      throw error;
    },
  });
  await driver.start();
  await work(leadership);
  await driver.stop();
}

it.each([
  [10, 10_000],
  [10_000, 10],
  [60_000, 100],
  [100, 60_000],
])(
  'a request key outlives its window, first under ticks of %d ms, then of %d',
  async (one, other) => {
    const requestId = `of ${one} and ${other}`;
    const { requestWindowMs } = store.meta;
    const isKept = async (leadership: Leadership) =>
      (await leadership.readRequest(requestId)) !== null;
    await lead(one, async (leadership) => {
      const writes = [1, 2, 3].map((sequence) =>
        commitOf(txidAt(leadership.epoch, sequence), {
          finished: true,
          ...(sequence === 1 ? { requestId } : {}),
        }),
      );
      await decideAll(leadership, writes);
      await clock.advance(2_000);
    });
    await lead(other, async (leadership) => {
      await clock.advance(requestWindowMs + 57_000);
      expect(await isKept(leadership)).toBe(true);
      await clock.advance(2 * (one + other) + 20_000);
      expect(await isKept(leadership)).toBe(false);
    });
  },
);
