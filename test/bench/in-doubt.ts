/**
 * How long participants stay in doubt: cut off from the leader alone, without a word to either side
 * and with nothing recorded, which is the slowest way out; and, cut off from every node, from when
 * the cut ends.
 */
import type { EtcdPrograms } from '../../cluster/etcd/find.ts';
import { PartitionCluster } from '../support/nodes/partition-cluster.ts';
import { doubtOfFirst, doubtsBetween, firstInDoubt } from '../support/participants/doubts.ts';
import { quickParticipant } from '../support/participants/participant-process.ts';
import { eventually, pause } from '../support/process/child.ts';
import { type Figure, figure, milliseconds } from './figure.ts';
import { percentile } from './load.ts';

/** Longer than the patience and all that follows it. */
const undecidedMs = 1_500;
const callsAtOnce = 40;
/**
 * Until every vote is there: what waits for one that still prepares is not in doubt for the cut's
 * sake.
 */
const cutMs = undecidedMs + 500;
const quietMs = 1_000;
const patienceMs = quickParticipant.patienceMs ?? Number.NaN;
const mostDuringMs = patienceMs + 200;
const mostAfterMs = 500;

export async function inDoubt(options: {
  readonly etcd: EtcdPrograms;
  readonly times: number;
  readonly progress: (text: string) => void;
}): Promise<readonly Figure[]> {
  const { etcd, times, progress } = options;
  const cluster = await PartitionCluster.started({ etcd });
  const duringMs: number[] = [];
  const afterMs: number[] = [];
  try {
    for (let round = 1; round <= times; round += 1) {
      progress(`participants in doubt, ${round} of ${times}`);
      duringMs.push(await behindSilence(cluster));
      await cluster.heal();
      await cluster.connectedToAll();
      afterMs.push(...(await afterHeal(cluster)));
      await cluster.connectedToAll();
    }
  } finally {
    await cluster.remove();
  }
  const longest = Math.max(...duringMs);
  const p99 = percentile(
    afterMs.sort((a, b) => a - b),
    0.99,
  );
  return [
    figure(`in doubt, the leader silent, worst of ${times}`, milliseconds(longest), {
      aim: `<= patience + 200 ms = ${mostDuringMs} ms`,
      met: longest <= mostDuringMs,
    }),
    figure(`in doubt after a cut from all nodes, p99 of ${afterMs.length}`, milliseconds(p99), {
      aim: `<= ${mostAfterMs} ms`,
      met: p99 <= mostAfterMs,
    }),
  ];
}

async function behindSilence(cluster: PartitionCluster): Promise<number> {
  const client = await cluster.client('client');
  const { node } = await cluster.leader();
  const call = await firstInDoubt(cluster, client, undecidedMs);
  const cutAtMs = Date.now();
  for (const wire of cluster.wires(cluster.participantNames, [node])) wire.block();
  const { doubtMs } = await doubtOfFirst(cluster, cutAtMs);
  await call.ended;
  return doubtMs;
}

async function afterHeal(cluster: PartitionCluster): Promise<readonly number[]> {
  const client = await cluster.client('client');
  const calls = Array.from({ length: callsAtOnce }, () =>
    cluster.history.transact(client, { a: {}, b: {}, c: { delayMs: undecidedMs } }),
  );
  const first = cluster.participant('a');
  await eventually(
    () => (first.state().journalOpen.length === callsAtOnce ? true : null),
    () => 'a to vote on all of them',
  );
  for (const wire of cluster.wires(cluster.participantNames, cluster.nodeNames)) {
    wire.refuse();
    wire.cut();
  }
  await pause(cutMs);
  const healedAtMs = Date.now();
  await cluster.heal();
  await Promise.all(calls);
  // All of them have ended once nothing waits for an outcome.
  await eventually(
    () => (first.state().journalOpen.length === 0 ? true : null),
    () => 'the doubts of a to end',
  );
  await pause(quietMs);
  return doubtsBetween(cluster, { fromMs: healedAtMs, toMs: Date.now() })
    .filter(({ doubtMs, endedAtMs }) => endedAtMs - doubtMs <= healedAtMs)
    .map(({ endedAtMs }) => endedAtMs - healedAtMs);
}
