/** How a node begins leaderships, and when it does not. */
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Leading } from '../../../src/coordinator/leading.ts';
import { ShardDriver } from '../../../src/coordinator/shard-driver.ts';
import { coordinatorOptions } from '../../../src/core/coordinator-options.ts';
import { openMemoryLog } from '../../../src/decision-log/memory/log.ts';
import { MemoryLogStore } from '../../../src/decision-log/memory/store.ts';
import { type DecisionLog, DecisionLogError } from '../../../src/ports/decision-log.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { realRandom } from '../../support/logs/stores.ts';
import { ManualClock } from '../../support/samples/manual-clock.ts';

let clock: ManualClock;
let log: DecisionLog;
let leading: Leading;
let learn: () => Promise<void>;
/** What decisions/ cannot be read for; null: it can. */
let unreadable: Error | null;
let begun: number;

beforeEach(() => {
  clock = new ManualClock();
  log = openMemoryLog({ store: new MemoryLogStore(), node: 'n', url: 'ws://n', clock });
  learn = async () => undefined;
  unreadable = null;
  begun = 0;
  const options = coordinatorOptions({});
  leading = new Leading({
    ...{ log, clock, logger: silentLogger, node: 'n', drainMs: 0, tickMs: options.tickMs },
    learn: () => learn(),
    lead: (leadership) => {
      const { shard, epoch } = leadership;
      begun += 1;
      // Without a pause nothing else would have its turn, and this would never end.
      if (begun > 20) unreadable = null;
      const { pending } = leadership;
      leadership.pending = (page) =>
        unreadable === null ? pending.call(leadership, page) : Promise.reject(unreadable);
      return new ShardDriver({
        ...{ log, leadership, clock, options, logger: silentLogger, debug: false },
        leader: { shard, epoch, node: 'n', url: 'ws://n' },
        random: realRandom,
        reached: () => undefined,
        send: () => undefined,
        onBroken: (error) => {
          throw error;
        },
      });
    },
    changed: () => undefined,
  });
});
afterEach(() => leading.stop());

it('drained, it gives back what it has won and not begun, and leads again when it may', async () => {
  const learning = Promise.withResolvers<void>();
  learn = () => learning.promise;
  leading.start();
  await expect.poll(() => log.leaders()[0]?.node).toBe('n');
  const given = leading.drain(0);
  await clock.advance(0);
  expect(await given).toEqual([]);
  learning.resolve();
  await expect.poll(() => log.leaders()[0]).toBeNull();
  expect(leading.drivers.size).toBe(0);
  leading.undrain();
  await clock.advance(1_000);
  await expect.poll(() => leading.drivers.size).toBe(1);
});

it('pauses before it leads again where what is recorded cannot be read', async () => {
  unreadable = new DecisionLogError('The decision record in etcd has version 2.');
  leading.start();
  await expect.poll(() => begun).toBeGreaterThan(0);
  await setTimeout(50);
  expect(begun).toBe(1);
  unreadable = null;
  await clock.advance(1_000);
  await expect.poll(() => leading.drivers.size).toBe(1);
  expect(begun).toBe(2);
});
