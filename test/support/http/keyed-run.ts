/**
 * A whole run of requests under keys, over replicas of a service whose every connection breaks and
 * whose coordinator dies; then each key is asked for once more, and the books are read.
 */
import type { CrashPoint } from '../../../src/coordinator/crash-points.ts';
import type { Random } from '../../../src/ports/random.ts';
import { breakOnAndOn } from '../network/breaking.ts';
import { TcpProxy } from '../network/tcp-proxy.ts';
import type { Cluster } from '../nodes/cluster.ts';
import { pause } from '../process/child.ts';
import { seededRandom } from '../samples/seeded-random.ts';
import {
  drawKeyed,
  type Heard,
  type Keyed,
  pick,
  send,
  sendOnAndOn,
  wrongOf,
} from './keyed-load.ts';

export interface KeyedRun {
  readonly wrong: readonly string[];
  /** How many requests got this status; `null`: their answer was lost. */
  readonly statuses: Readonly<Record<string, number>>;
  readonly broken: number;
  readonly kills: number;
}

const points: readonly (CrashPoint | null)[] = [
  'after-prepare',
  'decision-in-flight',
  'decision-durable',
  'after-outcome',
  null,
];

/** A node takes a second to come back: more of them only make the run longer. */
const maxKills = 3;

/** `urls`: of the replicas. The cluster has the participants `a` and `b`. */
export async function keyedRun(
  cluster: Cluster,
  urls: readonly string[],
  { seed, keys }: { readonly seed: number; readonly keys: number },
): Promise<KeyedRun> {
  const random = seededRandom(seed);
  const heard = new Map<Keyed, Heard[]>(
    drawKeyed(random, keys, `k${seed}`).map((keyed) => [keyed, []]),
  );
  const proxies = await Promise.all(urls.map((url) => TcpProxy.started(Number(new URL(url).port))));
  const through = proxies.map((proxy) => `http://${proxy.url}`);
  const funder = await cluster.client();
  let over = false;
  const breaking = breakOnAndOn(proxies, random, () => over, { withinMessages: 6 });
  const killing = killOnAndOn(cluster, random, () => over);
  const waiting = [...heard.keys()];
  const worker = async (): Promise<void> => {
    for (let keyed = waiting.shift(); keyed !== undefined; keyed = waiting.shift()) {
      const funded = random.fraction() < 0.5 ? fund(funder, keyed, random) : null;
      heard.get(keyed)?.push(...(await sendOnAndOn(through, keyed, random)));
      await funded;
    }
  };
  try {
    await Promise.all(Array.from({ length: 12 }, worker));
  } finally {
    over = true;
  }
  const [broken, kills] = await Promise.all([breaking, killing]);
  await Promise.all(proxies.map((proxy) => proxy.close()));
  // All is well again: whoever asks now is told what became of his key.
  for (const [keyed, told] of heard) {
    for (let turn = 0; turn < 40; turn += 1) {
      const last = await send(pick(random, urls), keyed, random);
      told.push(last);
      if (last.status !== null && last.status < 500) break;
      await pause(50);
    }
  }
  const unsettled = await cluster.settled();
  const held = [...cluster.participants.values()].map((participant) => participant.state().held);
  const wrong = [...heard].flatMap(([keyed, told]) =>
    wrongOf(
      keyed,
      told,
      held.map((of) =>
        of.filter(({ tag }) => tag === keyed.tag).reduce((sum, { applied }) => sum + applied, 0),
      ),
    ),
  );
  const statuses: Record<string, number> = {};
  for (const { status } of [...heard.values()].flat()) {
    statuses[String(status)] = (statuses[String(status)] ?? 0) + 1;
  }
  return { wrong: [...unsettled, ...wrong], statuses, broken, kills };
}

async function killOnAndOn(
  { node }: Cluster,
  random: Random,
  isOver: () => boolean,
): Promise<number> {
  let count = 0;
  while (!isOver() && count < maxKills) {
    await pause(100 + random.fraction() * 400);
    if (node.running) await node.kill();
    count += 1;
    // Longer than some replicas wait.
    await pause(random.fraction() < 0.4 ? 1_200 : 0);
    const point = pick(random, points);
    const times = 1 + Math.floor(random.fraction() * 120);
    await node.start(point === null ? {} : { crashAt: `${point}:${times}` });
  }
  await node.restart();
  return count;
}

/** What was refused for want of money may pass from now on: once, and not twice. */
async function fund(
  client: Awaited<ReturnType<Cluster['client']>>,
  { plan, tag }: Keyed,
  random: Random,
): Promise<void> {
  await pause(random.fraction() * 200);
  for (const [participant, { transfer }] of Object.entries(plan)) {
    if (transfer === undefined) continue;
    const payload = { transfer: { ...transfer, amount: 1_000 } };
    await client
      .transact(
        { requestId: `fund-${tag}`, branches: [{ participant, payload }] },
        { retry: true, timeoutMs: 20_000 },
      )
      .catch(() => null);
  }
}
