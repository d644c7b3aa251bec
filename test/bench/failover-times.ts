/** From the end of a leader to the first commit that its successor acknowledges. */
import { performance } from 'node:perf_hooks';
import { type Client, connect } from '../../src/client.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { pause } from '../support/process/child.ts';
import { seededRandom } from '../support/samples/seeded-random.ts';
import { Committing } from './committing.ts';
import { type Figure, figure, milliseconds } from './figure.ts';
import { percentile } from './load.ts';

interface Options {
  readonly cluster: EtcdCluster;
  readonly times: number;
  readonly progress: (text: string) => void;
}

const clientCount = 4;
const callTimeoutMs = 20_000;
/** The longest from one kill to the next, once the killed one was started again. */
const betweenMs = 1_000;

/** How long each took. */
export async function afterKill({ cluster, times, progress }: Options): Promise<readonly number[]> {
  const random = seededRandom(200);
  const clients = await Promise.all(Array.from({ length: clientCount }, () => cluster.client()));
  const committing = new Committing(
    clients.map((client) => async () => client),
    callTimeoutMs,
  );
  const tookMs: number[] = [];
  for (let round = 1; round <= times; round += 1) {
    progress(`kill -9 of the leader, ${round} of ${times}`);
    const { node, epoch } = await cluster.leader();
    await committing.after('');
    const killedAtMs = performance.now();
    cluster.node(node).child.signal('SIGKILL');
    tookMs.push((await committing.after(epoch)) - killedAtMs);
    await cluster.node(node).died();
    await cluster.start(node);
    await pause(random.fraction() * betweenMs);
  }
  await committing.stop();
  return tookMs;
}

export function figuresOfKills(tookMs: readonly number[]): readonly Figure[] {
  const times = tookMs.length;
  const sorted = [...tookMs].sort((a, b) => a - b);
  const p50 = percentile(sorted, 0.5);
  const worst = sorted.at(-1) ?? Number.NaN;
  return [
    figure(`kill -9 of the leader to a commit of the next, p50 of ${times}`, milliseconds(p50), {
      aim: '<= 150 ms',
      met: p50 <= 150,
    }),
    figure(
      'kill -9 of the leader to a commit of the next, p90',
      milliseconds(percentile(sorted, 0.9)),
    ),
    figure(
      'kill -9 of the leader to a commit of the next, p99',
      milliseconds(percentile(sorted, 0.99)),
    ),
    figure('kill -9 of the leader to a commit of the next, worst', milliseconds(worst), {
      aim: '<= 1 s',
      met: worst <= 1_000,
    }),
  ];
}

/** Silence: nothing is refused, so the lease has to run out. */
export async function afterStop({
  cluster,
  times,
  leaseTtlMs,
  progress,
}: Options & { readonly leaseTtlMs: number }): Promise<readonly Figure[]> {
  // One that was connected before waits for the leader it knows; who comes new finds the next one.
  const known = await cluster.client();
  const old = new Committing([async () => known], callTimeoutMs);
  const urls = [...cluster.urls];
  const opened: Client[] = [];
  const newcomer = async (): Promise<Client> => {
    const client = await connect({ urls, timeoutMs: 2_000 });
    opened.push(client);
    if (opened.length > 1) void opened.shift()?.close();
    return client;
  };
  const fresh = new Committing([newcomer], 1_000);
  const oldMs: number[] = [];
  const freshMs: number[] = [];
  for (let round = 1; round <= times; round += 1) {
    progress(`SIGSTOP of the leader, ${round} of ${times}`);
    const { node, epoch } = await cluster.leader();
    const { child } = cluster.node(node);
    const stoppedAtMs = performance.now();
    child.signal('SIGSTOP');
    freshMs.push((await fresh.after(epoch)) - stoppedAtMs);
    oldMs.push((await old.after(epoch)) - stoppedAtMs);
    child.signal('SIGCONT');
    await pause(1_000);
  }
  await Promise.all([old.stop(), fresh.stop()]);
  await Promise.all(opened.map((client) => client.close()));
  const worst = (list: readonly number[]): number => Math.max(...list);
  const most = leaseTtlMs + 1_000;
  const aim = `<= lease TTL + 1 s = ${most} ms`;
  return [
    figure(
      `SIGSTOP of the leader to a commit of the next, worst of ${times}`,
      milliseconds(worst(freshMs)),
      {
        aim,
        met: worst(freshMs) <= most,
      },
    ),
    figure(
      'SIGSTOP of the leader, by a client that was connected to the stopped one',
      milliseconds(worst(oldMs)),
      {
        aim,
        met: worst(oldMs) <= most,
      },
    ),
  ];
}
