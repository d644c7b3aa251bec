/**
 * An operator at a terminal: asks the leader of the first shard, as the command does, until it has
 * answered.
 */
import type { Retired } from '../../../src/core/retired.ts';
import { Nodes } from '../../../src/peer/nodes.ts';
import { Chance } from '../world/chance.ts';
import type { Network } from '../world/network.ts';
import { SimProcess } from '../world/process.ts';
import type { World } from '../world/world.ts';

const pauseMs = 100;
const timeoutMs = 5_000;

export async function retire(options: {
  readonly world: World;
  readonly network: Network;
  readonly urls: readonly string[];
  readonly retired: Retired;
}): Promise<void> {
  const { world, network, urls, retired } = options;
  const what = 'instance' in retired ? retired.instance : retired.sharedResource;
  const process = new SimProcess({
    world,
    name: 'op',
    chance: new Chance(world.seed, `operator ${what}`),
    died: () => undefined,
  });
  const { clock, chance } = process;
  const nodes = new Nodes({
    urls,
    reach: 'leaders',
    link: {
      dialer: network.dialer(process),
      clock,
      random: chance,
      connectTimeoutMs: timeoutMs,
      hello: () => ({ name: 'op', instance: chance.token(13), roles: ['operator'] }),
    },
    events: { changed: () => undefined, failed: () => undefined, refused: () => undefined },
  });
  nodes.start();
  for (;;) {
    const link = nodes.leaderLink(0);
    try {
      if (link !== null) {
        await link.request({ type: 'retire', ...retired }, { timeoutMs });
        break;
      }
    } catch {
      // Not here, not now: once more. What was done already is found done.
    }
    await new Promise<void>((resolve) => clock.setTimer(pauseMs, resolve));
  }
  world.note('op', `has retired ${what} of ${retired.participant}`);
  await nodes.close();
}
