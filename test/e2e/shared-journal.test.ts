/**
 * Participants on either kind of journal, one of them several processes that share it, which die at
 * named points and at random, behind proxies that cut and lose replies: each branch has the one
 * outcome that was told, once.
 */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type Client, isVerdictError } from '../../src/client.ts';
import { participantCrashPoints } from '../../src/participant/crash-points.ts';
import { breakOnAndOn } from '../support/network/breaking.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { Cluster } from '../support/nodes/cluster.ts';
import { type SharingSettings, sharedRows, startSharing } from '../support/participants/sharing.ts';
import { type Child, eventually, pause } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';

const seed = 20_311;
const calls = 60;

interface Told {
  readonly tag: string;
  readonly of: readonly string[];
  readonly ended: 'committed' | 'aborted' | 'unknown';
}

it.each(['sqlite', 'lmdb'] as const)(
  'a journal in %s',
  async (journalKind) => {
    const random = seededRandom(seed);
    const isNow = (chance: number): boolean => random.fraction() < chance;
    const cluster = await Cluster.started({ participants: [] });
    onTestFinished(() => cluster.remove());
    const proxies = await Promise.all([1, 2].map(() => TcpProxy.started(cluster.node.port)));
    const settings = (name: string, isShared: boolean): SharingSettings => ({
      name,
      url: proxies[isShared ? 0 : 1]?.url ?? '',
      data: join(cluster.directory, name),
      journalKind,
      isShared,
    });
    const places = [
      settings('shared', true),
      settings('shared', true),
      settings('shared', true),
      settings('alone', false),
    ];
    const ended: Child[] = [];
    const processes = await Promise.all(places.map((place) => startSharing(place)));
    onTestFinished(async () => {
      for (const child of processes) if (child.exit === null) await child.kill();
      await Promise.all(proxies.map((proxy) => proxy.close()));
    });
    let isOver = false;
    const again = async (at: number, crashAt = ''): Promise<void> => {
      const [before, place] = [processes[at], places[at]];
      if (before === undefined || place === undefined) return;
      if (before.exit === null) await before.kill();
      ended.push(before);
      processes[at] = await startSharing(place, crashAt);
    };
    const killing = (async () => {
      let kills = 0;
      while (!isOver && kills < 5) {
        await pause(random.fraction() * 300);
        const dead = processes.findIndex(({ exit }) => exit !== null);
        const at = dead >= 0 ? dead : Math.floor(random.fraction() * places.length);
        const point = participantCrashPoints[Math.floor(random.fraction() * 30)];
        await again(
          at,
          point === undefined ? '' : `${point}:${1 + Math.floor(random.fraction() * 8)}`,
        );
        kills += 1;
      }
      await Promise.all([...places.keys()].map((at) => again(at)));
      return kills;
    })();
    const breaking = breakOnAndOn(proxies, random, () => isOver);
    const client = await cluster.client();
    const told: Told[] = [];
    await Promise.all(
      Array.from({ length: 12 }, async (_, worker) => {
        for (let turn = worker; turn < calls; turn += 12) {
          const of = isNow(0.8) ? ['shared', 'alone'] : ['shared'];
          told.push(await call(client, `t${turn}`, of, { isNow, delayMs: random.fraction() * 30 }));
        }
      }),
    );
    isOver = true;
    const [kills, broken] = await Promise.all([killing, breaking]);
    const rows = () => ({
      shared: sharedRows(join(cluster.directory, 'shared')),
      alone: sharedRows(join(cluster.directory, 'alone')),
    });
    await eventually(
      () => {
        const { shared, alone } = rows();
        return [...shared, ...alone].every(({ state }) => state !== 'prepared') || null;
      },
      () => 'nothing to be prepared',
      20_000 * slownessFactor,
    );
    const held: Readonly<Record<string, ReturnType<typeof sharedRows>>> = rows();
    const wrong = told.flatMap(({ tag, of, ended: how }) => {
      const counts = of.map((name) =>
        (held[name] ?? [])
          .filter((row) => row.tag === tag)
          .reduce((sum, { applied }) => sum + applied, 0),
      );
      const [whole, none] = [1, 0].map((right) => counts.every((count) => count === right));
      const isRight = how === 'committed' ? whole : none || (how === 'unknown' && whole);
      return isRight ? [] : [`${tag} ${how}: ${of} ${counts}`];
    });
    const lines = [...ended, ...processes].flatMap(({ lines: all }) => all);
    expect(wrong).toEqual([]);
    expect([broken > 0, kills > 0]).toEqual([true, true]);
    expect(lines.filter((line) => /alarm|uncaught|unhandled|Error:/i.test(line))).toEqual([]);
    expect(cluster.node.alarms()).toEqual([]);
    expect(told.filter(({ ended: how }) => how === 'committed').length).toBeGreaterThan(calls / 4);
  },
  300_000 * slownessFactor,
);

async function call(
  client: Client,
  tag: string,
  of: readonly string[],
  { isNow, delayMs }: { readonly isNow: (chance: number) => boolean; readonly delayMs: number },
): Promise<Told> {
  const branches = of.map((participant) => ({
    participant,
    payload: { tag, delayMs, ...(isNow(0.08) && { refuse: true }) },
  }));
  const requestId = isNow(0.5) ? { requestId: tag } : {};
  return client
    .transact({ ...requestId, timeoutMs: 2_000, branches }, { retry: true, timeoutMs: 8_000 })
    .then(
      ({ outcome }) => ({ tag, of, ended: outcome }),
      (error: unknown) => {
        const isUnknown = isVerdictError(error) && error.acted === 'unknown';
        return { tag, of, ended: isUnknown ? 'unknown' : 'aborted' };
      },
    );
}
