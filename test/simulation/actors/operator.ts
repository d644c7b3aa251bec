/**
 * An operator at a terminal: asks the leader of a shard, as the command does, until it has
 * answered.
 */
import type { Retired } from '../../../src/core/retired.ts';
import { shardOf, type Txid } from '../../../src/core/txid.ts';
import { Nodes } from '../../../src/peer/nodes.ts';
import type { RequestWithoutId } from '../../../src/peer/requests.ts';
import { isRequestRetryable } from '../../../src/peer/verdict-error.ts';
import { Chance } from '../world/chance.ts';
import type { Network } from '../world/network.ts';
import { SimProcess } from '../world/process.ts';
import type { World } from '../world/world.ts';

const pauseMs = 100;
const timeoutMs = 5_000;

interface Place {
  readonly world: World;
  readonly network: Network;
  readonly urls: readonly string[];
}

export async function retire(place: Place, retired: Retired): Promise<void> {
  const what = 'instance' in retired ? retired.instance : retired.sharedResource;
  await operate(place, { what, shard: 0, message: { type: 'retire', ...retired } });
  place.world.note('op', `has retired ${what} of ${retired.participant}`);
}

/** What a leader refuses, it is not asked again. */
export async function acknowledge(place: Place, txid: Txid, branch: string): Promise<void> {
  const message = { type: 'acknowledge', txid, branch, reason: 'simulated' } as const;
  const what = `${txid}/${branch}`;
  const done = await operate(place, { what, shard: shardOf(txid), message });
  place.world.note('op', `${done ? 'has settled' : 'was refused'} ${what} by hand`);
}

export async function retry(place: Place, txid: Txid): Promise<void> {
  const message = { type: 'retry', txid } as const;
  await operate(place, { what: `again ${txid}`, shard: shardOf(txid), message });
}

async function operate(
  { world, network, urls }: Place,
  asked: { readonly what: string; readonly shard: number; readonly message: RequestWithoutId },
): Promise<boolean> {
  const { what, shard, message } = asked;
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
  let done = false;
  for (;;) {
    const link = nodes.leaderLink(shard);
    try {
      if (link !== null) {
        await link.request(message, { timeoutMs });
        done = true;
        break;
      }
    } catch (error) {
      // Not here, not now: once more. What was done already is found done.
      if (message.type !== 'retire' && !isRequestRetryable(error)) break;
    }
    await new Promise<void>((resolve) => clock.setTimer(pauseMs, resolve));
  }
  await nodes.close();
  return done;
}
