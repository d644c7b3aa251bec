/** From the end of a leader to the first commit that its successor acknowledges. */
import { performance } from 'node:perf_hooks';
import { type Client, connect } from '../../src/client.ts';
import { type Epoch, epochOf } from '../../src/core/txid.ts';
import { eventually, pause } from '../support/child.ts';
import type { EtcdCluster } from '../support/etcd-cluster.ts';
import { type Figure, figure, milliseconds } from './figure.ts';
import { percentile } from './load.ts';

interface Options {
  readonly cluster: EtcdCluster;
  readonly times: number;
  readonly progress: (text: string) => void;
}

const clientCount = 4;
const callTimeoutMs = 20_000;
const branches = ['a', 'b', 'c'].map((participant) => ({ participant }));

/** Clients that commit one after the other all the time, and tell of each commit. */
class Committing {
  readonly #loops: Promise<void>[];
  #over = false;
  /** When the first commit under an epoch was acknowledged. */
  readonly firstAtMs: Map<Epoch, number> = new Map();

  constructor(clients: readonly (() => Promise<Client>)[], timeoutMs: number) {
    this.#loops = clients.map((client) => this.#loop(client, timeoutMs));
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
  }

  /** The first commit under a newer epoch than that. */
  async after(epoch: Epoch): Promise<number> {
    return eventually(
      () => {
        for (const [each, atMs] of this.firstAtMs) if (each > epoch) return atMs;
        return null;
      },
      () => `a commit after ${epoch}`,
      60_000,
    );
  }

  async #loop(client: () => Promise<Client>, timeoutMs: number): Promise<void> {
    while (!this.#over) {
      try {
        const { outcome, txid } = await (await client()).transact({ branches }, { timeoutMs });
        const epoch = epochOf(txid);
        if (outcome === 'committed' && !this.firstAtMs.has(epoch)) {
          this.firstAtMs.set(epoch, performance.now());
        }
      } catch {
        // In between nobody leads: the next call counts.
      }
      await pause(1);
    }
  }
}

export async function afterKill({ cluster, times, progress }: Options): Promise<readonly Figure[]> {
  if (times === 0) return [];
  const clients = await Promise.all(Array.from({ length: clientCount }, () => cluster.client()));
  const committing = new Committing(
    clients.map((client) => async () => client),
    callTimeoutMs,
  );
  const tookMs: number[] = [];
  for (let round = 1; round <= times; round += 1) {
    progress(`kill -9 of the leader, ${round} of ${times}`);
    const { node, epoch } = await cluster.leader();
    await committing.after('' as Epoch);
    const killedAtMs = performance.now();
    cluster.node(node).child.signal('SIGKILL');
    tookMs.push((await committing.after(epoch)) - killedAtMs);
    await cluster.node(node).died();
    await cluster.start(node);
    await pause(300);
  }
  await committing.stop();
  const sorted = tookMs.sort((a, b) => a - b);
  const p50 = percentile(sorted, 0.5);
  const worst = sorted.at(-1) ?? Number.NaN;
  return [
    figure(`kill -9 of the leader to a commit of the next, p50 of ${times}`, milliseconds(p50), {
      aim: '<= 150 ms',
      met: p50 <= 150,
    }),
    figure('  p90', milliseconds(percentile(sorted, 0.9))),
    figure('  worst', milliseconds(worst), { aim: '<= 1 s', met: worst <= 1_000 }),
  ];
}

/** Silence: nothing is refused, so the lease has to run out. */
export async function afterStop({
  cluster,
  times,
  leaseTtlMs,
  progress,
}: Options & { readonly leaseTtlMs: number }): Promise<readonly Figure[]> {
  if (times === 0) return [];
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
    figure('  by a client that was connected to the stopped one', milliseconds(worst(oldMs)), {
      aim,
      met: worst(oldMs) <= most,
    }),
  ];
}
