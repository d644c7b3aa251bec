/**
 * The longest time without a commit while the nodes are restarted one after the other, by the part
 * that each had: the leader hands its leadership over, a follower has none.
 */
import { performance } from 'node:perf_hooks';
import type { Client } from '../../src/client.ts';
import type { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { pause } from '../support/process/child.ts';
import { type Figure, figure, milliseconds } from './figure.ts';

const branches = ['a', 'b', 'c'].map((participant) => ({ participant }));
const clientCount = 8;
const callTimeoutMs = 20_000;
/** Before and after each stop. */
const settleMs = 400;
const aimMs = 150;

interface Restarted {
  readonly was: 'leader' | 'follower';
  /** The longest, from the signal until the node is back. */
  readonly gapMs: number;
  /** From the signal to the start of that gap: where the time goes. */
  readonly gapAfterMs: number;
  readonly stopMs: number;
}

export interface Rolled {
  readonly restarts: readonly Restarted[];
  /** Requests with an id whose call ended with an error. */
  readonly failures: readonly string[];
  readonly commits: number;
}

export async function rollingRestarts(given: {
  readonly cluster: EtcdCluster;
  readonly rounds: number;
  readonly progress: (text: string) => void;
}): Promise<Rolled> {
  const { cluster, rounds, progress } = given;
  const clients = await Promise.all(Array.from({ length: clientCount }, () => cluster.client()));
  const load = new Load(clients);
  const restarts: Restarted[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    for (const name of cluster.nodes.keys()) {
      progress(`restart of ${name}, round ${round} of ${rounds}`);
      await pause(settleMs);
      const was = (await cluster.leader()).node === name ? 'leader' : 'follower';
      const signalledMs = performance.now();
      await cluster.node(name).stop();
      const stopMs = performance.now() - signalledMs;
      await pause(settleMs);
      await cluster.start(name);
      await pause(settleMs);
      restarts.push({ was, stopMs, ...load.longestGap(signalledMs) });
    }
  }
  await load.stop();
  return { restarts, failures: load.failures, commits: load.commits };
}

export function figuresOfRolling({ restarts, failures, commits }: Rolled): readonly Figure[] {
  const gaps = (['leader', 'follower'] as const).map((part) => {
    const of = restarts.filter(({ was }) => was === part).map(({ gapMs }) => gapMs);
    const worst = Math.max(...of);
    return figure(
      `restart of a ${part}: longest time without a commit, worst of ${of.length}`,
      milliseconds(worst),
      { aim: `<= ${aimMs} ms`, met: worst <= aimMs },
    );
  });
  return [
    ...gaps,
    figure(`requests with an id that failed, of ${commits}`, String(failures.length), {
      aim: '0',
      met: failures.length === 0,
    }),
  ];
}

/** Each client commits one after the other, all the time, each time under an id. */
class Load {
  readonly failures: string[] = [];
  readonly #atMs: number[] = [];
  readonly #loops: readonly Promise<void>[];
  #over = false;

  constructor(clients: readonly Client[]) {
    this.#loops = clients.map((client, at) => this.#loop(client, at));
  }

  get commits(): number {
    return this.#atMs.length;
  }

  longestGap(sinceMs: number): Pick<Restarted, 'gapMs' | 'gapAfterMs'> {
    let longest = { gapMs: 0, gapAfterMs: 0 };
    let lastMs = sinceMs;
    for (const atMs of [...this.#atMs.filter((each) => each > sinceMs), performance.now()]) {
      if (atMs - lastMs > longest.gapMs) {
        longest = { gapMs: atMs - lastMs, gapAfterMs: lastMs - sinceMs };
      }
      lastMs = atMs;
    }
    return longest;
  }

  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
  }

  async #loop(client: Client, at: number): Promise<void> {
    for (let turn = 0; !this.#over; turn += 1) {
      try {
        const requestId = `rolling-${at}-${turn}`;
        const { outcome } = await client.transact(
          { branches, requestId },
          { timeoutMs: callTimeoutMs },
        );
        if (outcome === 'committed') this.#atMs.push(performance.now());
        else this.failures.push(outcome);
      } catch (error) {
        this.failures.push(String(error));
      }
      await pause(1);
    }
  }
}
