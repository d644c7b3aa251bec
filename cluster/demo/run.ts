/**
 * The demo: a node, or a cluster of them, the shop, orders through `verdict submit`; on the way the
 * leader is killed with -9 and started again; in the end everything is compared with everything.
 */
import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { type ManagedProcess, Processes } from '../launcher/processes.ts';
import { startShop } from '../launcher/shop.ts';
import { waitUntil, within } from '../launcher/waiting.ts';
import { statusCommand } from '../secure/installation.ts';
import { orderClient } from '../secure/shop-access.ts';
import { type Refused, showStrangers } from '../secure/strangers.ts';
import { type Answer, parseAnswer } from './answers.ts';
import type { Coordinator, Kill } from './coordinator.ts';
import { startDatabases } from './databases.ts';
import { epochIn } from './internals/committed.ts';
import { type Facts, readStoredFacts, unfinished } from './internals/facts.ts';
import type { Layout } from './layout.ts';
import { startOnCluster } from './on-cluster.ts';
import { demoOrders, orderLine } from './orders.ts';
import { startSingleNode } from './single-node.ts';

export interface DemoOptions {
  readonly orderCount: number;
  /** Its directory is empty, and there. */
  readonly layout: Layout;
  readonly concurrency: number;
  /** Three nodes over etcd, and three kills, instead of one and one. */
  readonly cluster: boolean;
  /** On a cluster: everyone has a certificate, and may do what the access file says. */
  readonly secure: boolean;
  /** Real databases under some of the services. */
  readonly databases: boolean;
  /** Fires on Ctrl-C: everything is ended, and the demo rejects. */
  readonly signal: AbortSignal;
  readonly progress: DemoProgress;
}

export interface DemoProgress {
  stage(text: string): void;
  answered(count: number): void;
}

export interface DemoRun {
  readonly facts: Facts;
  /** From the first order handed in to the last answer, the crash included. */
  readonly submitMs: number;
  readonly kills: readonly Recovery[];
  /** Strangers that came to a secured cluster. */
  readonly refused: readonly Refused[];
}

/** From one kill -9 of a leader. */
export interface Recovery {
  readonly node: string;
  readonly afterAnswers: number;
  /** Until the killed node was ready again. */
  readonly readyMs: number;
  /**
   * The gap: until the first transaction of a later leadership was answered committed. Null where
   * none was.
   */
  readonly firstCommitMs: number | null;
}

const root: string = fileURLToPath(new URL('../..', import.meta.url));
const verdict: string = join(root, 'bin/verdict.mjs');

/** A transaction may outlast the crash and a slow restart. */
const transactionTimeoutMs = 20_000;
const submitTimeoutMs = 60_000;
const quietTimeoutMs = 30_000;
const quietIntervalMs = 50;
const stopTimeoutMs = 15_000;
/**
 * So many orders a second are beyond any doubt, even on a machine that is busy with other things.
 */
const slowestPerSecond = 10;

export async function runDemo(options: DemoOptions): Promise<DemoRun> {
  const processes = new Processes();
  try {
    return await new Demo(options, processes).run();
  } finally {
    await processes.stopAll(stopTimeoutMs);
  }
}

class Demo {
  readonly #options: DemoOptions;
  readonly #processes: Processes;
  readonly #answers: Answer[] = [];
  readonly #kills: (Kill & { readonly afterAnswers: number; firstCommitAtMs: number | null })[] =
    [];
  /** One after the other. */
  #killing: Promise<void> = Promise.resolve();
  #killsBegun = 0;
  #epochSeen = '';

  constructor(options: DemoOptions, processes: Processes) {
    this.#options = options;
    this.#processes = processes;
  }

  async run(): Promise<DemoRun> {
    const { orderCount, layout, progress, signal } = this.#options;
    const orders = demoOrders(orderCount);
    const lines = orders.map((order) => orderLine(order, transactionTimeoutMs));
    await writeFile(layout.orders, `${lines.join('\n')}\n`);

    const { cluster } = this.#options;
    if (this.#options.databases) {
      progress.stage('Starting the databases');
      const { note } = await startDatabases(layout, this.#processes);
      progress.stage(`The databases are there: ${note}`);
    }
    const nodes = cluster ? 'etcd, three coordinator nodes' : 'a coordinator node';
    progress.stage(`Starting ${nodes} and the five services of the shop`);
    const starting = { processes: this.#processes, layout, signal };
    const coordinator = cluster
      ? await startOnCluster({ ...starting, secure: this.#options.secure })
      : await startSingleNode(starting);
    const theShop = await this.#startShop(coordinator);
    const refused = await this.#showSecurity(coordinator);

    const killed = cluster
      ? 'three times the leader is killed with -9'
      : 'half-way the node is killed with -9';
    progress.stage(`Submitting ${orderCount} orders; ${killed}`);
    const startedAtMs = performance.now();
    await Promise.race([this.#submit(coordinator), coordinator.failed]);
    const submitMs = performance.now() - startedAtMs;

    progress.stage('Waiting until nothing is in doubt, stopping everything');
    const quiet = await this.#untilQuiet(coordinator);
    // Before anything is stopped: a node that is still starting would be stopped, and never be
    // ready.
    const kills = await this.#recoveries();
    await theShop.stop(stopTimeoutMs);
    await coordinator.stop(stopTimeoutMs);

    progress.stage(quiet ? 'Reconciling' : 'Reconciling what did not come to rest');
    const stored = await readStoredFacts(layout, () => coordinator.readLog());
    if (cluster) await writeFile(layout.outcomes, JSON.stringify(stored.log));
    return {
      facts: { ...stored, orders, answers: this.#answers },
      submitMs,
      kills,
      refused,
    };
  }

  async #showSecurity({ urls, certificates }: Coordinator): Promise<readonly Refused[]> {
    if (certificates === null) return [];
    const { progress } = this.#options;
    progress.stage(`Everyone has a certificate. Look on: ${statusCommand(urls, certificates)}`);
    const refused = await showStrangers(urls, certificates);
    for (const { who, code, message } of refused) {
      progress.stage(`Refused ${who}: ${code}. ${message}`);
    }
    return refused;
  }

  #startShop({ urls, certificates }: Coordinator): Promise<ManagedProcess> {
    const { layout, signal } = this.#options;
    return startShop({
      processes: this.#processes,
      directory: layout.directory,
      urls,
      data: layout.shop,
      certificates: certificates ?? undefined,
      logFile: layout.shopLog,
      signal,
    });
  }

  async #submit(coordinator: Coordinator): Promise<void> {
    const { concurrency, layout, orderCount, signal } = this.#options;
    const submit = this.#processes.start({
      name: 'submit',
      args: [
        ...[verdict, 'submit', layout.orders, '--url', coordinator.urls.join(','), '--json'],
        ...(coordinator.certificates?.flagsOf(orderClient) ?? []),
        ...['--concurrency', String(concurrency), '--timeout', String(submitTimeoutMs)],
      ],
      logFile: layout.submitLog,
      readStdout: true,
    });
    const read = this.#readAnswers(submit, coordinator);
    await within(Promise.all([submit.exited, read]), {
      what: 'submit to end',
      timeoutMs: submitTimeoutMs + (orderCount / slowestPerSecond) * 1_000,
      signal,
    });
    await this.#killing;
    const { code } = await submit.exited;
    if (code !== 0) {
      this.#options.progress.stage(`submit ended with exit code ${code}: see ${submit.logFile}`);
    }
  }

  async #readAnswers(submit: ManagedProcess, coordinator: Coordinator): Promise<void> {
    const { layout, orderCount, progress } = this.#options;
    const kept = createWriteStream(layout.answers);
    for await (const line of createInterface({ input: submit.stdout })) {
      const answer = parseAnswer(line);
      kept.write(`${line}\n`);
      this.#answers.push(answer);
      this.#noteEpoch(answer);
      progress.answered(this.#answers.length);
      // One kill is half-way, three are at the quarters.
      const due = (orderCount * (this.#killsBegun + 1)) / (this.#killCount + 1);
      if (this.#killsBegun < this.#killCount && this.#answers.length >= due) {
        this.#killsBegun += 1;
        this.#killing = this.#killing.then(() => this.#kill(coordinator));
        // Whoever waits for it below hears of a failure; until then it is not unhandled.
        this.#killing.catch(() => undefined);
      }
    }
    kept.end();
    await finished(kept);
  }

  get #killCount(): number {
    return this.#options.cluster ? 3 : 1;
  }

  async #kill(coordinator: Coordinator): Promise<void> {
    const kill = await coordinator.killLeader(this.#options.signal);
    const epoch = kill.epoch ?? this.#epochSeen;
    const afterAnswers = this.#answers.length;
    this.#kills.push({ ...kill, epoch, afterAnswers, firstCommitAtMs: null });
    const { progress } = this.#options;
    const which = this.#killCount === 1 ? '' : ` (${this.#kills.length} of ${this.#killCount})`;
    progress.stage(
      `Killed ${kill.node} with -9 after ${afterAnswers} answers${which}: orders wait until one leads again`,
    );
    // Not waited for: a cluster has others to lead meanwhile, and to be killed.
    kill.readyMs.then(
      (ms) => progress.stage(`${kill.node} is back after ${(ms / 1_000).toFixed(1)} s`),
      () => undefined,
    );
  }

  /**
   * A txid says under which leadership it began: an answer of the old one may still be in the pipe
   * when the node is dead.
   */
  #noteEpoch({ txid, outcome }: Answer): void {
    const epoch = epochIn(txid);
    if (epoch === null) return;
    if (epoch > this.#epochSeen) this.#epochSeen = epoch;
    if (outcome !== 'committed') return;
    for (const kill of this.#kills) {
      if (epoch > (kill.epoch ?? '')) kill.firstCommitAtMs ??= performance.now();
    }
  }

  /** What has not come to rest in time is for the reconciliation to name. */
  async #untilQuiet(coordinator: Coordinator): Promise<boolean> {
    const { layout, signal } = this.#options;
    const wait = {
      what: 'nothing to be in doubt',
      timeoutMs: quietTimeoutMs,
      intervalMs: quietIntervalMs,
      signal,
    };
    try {
      await waitUntil(wait, async () => {
        const [first] = unfinished(await readStoredFacts(layout, () => coordinator.readLog()));
        return first ?? true;
      });
      return true;
    } catch (error) {
      if (signal.aborted) throw error;
      this.#options.progress.stage((error as Error).message);
      return false;
    }
  }

  #recoveries(): Promise<Recovery[]> {
    if (this.#kills.length < this.#killCount) {
      throw new Error(`${this.#kills.length} of ${this.#killCount} kills were done: see --orders.`);
    }
    return Promise.all(
      this.#kills.map(async ({ node, afterAnswers, killedAtMs, readyMs, firstCommitAtMs }) => ({
        node,
        afterAnswers,
        readyMs: await readyMs,
        firstCommitMs: firstCommitAtMs === null ? null : firstCommitAtMs - killedAtMs,
      })),
    );
  }
}
