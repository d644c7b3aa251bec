/**
 * The shop as a second load of a chaos run: its five services as real processes, orders for it, and
 * now and then one of the services killed with -9. In the end its stores, the answers and etcd's
 * history must add up.
 */
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import process from 'node:process';
import type { Answer } from '../../cluster/demo/answers.ts';
import { readStoredFacts, unfinished } from '../../cluster/demo/internals/facts.ts';
import { layoutOf } from '../../cluster/demo/layout.ts';
import { type DemoOrder, demoOrders, orderLine } from '../../cluster/demo/orders.ts';
import { reconcile } from '../../cluster/demo/reconcile.ts';
import type { LoggedOutcomes } from '../../cluster/launcher/etcd-contents.ts';
import { type ManagedProcess, Processes } from '../../cluster/launcher/processes.ts';
import { startShop } from '../../cluster/launcher/shop.ts';
import { Certificates } from '../../cluster/secure/installation.ts';
import { type ServiceName, serviceNames } from '../../cluster/shop/paths.ts';
import { type Client, isVerdictError, type TransactionOutcome } from '../../src/client.ts';
import { positionZero, type Txid } from '../../src/core/txid.ts';
import type { Random } from '../../src/ports/random.ts';
import type { Change } from '../support/etcd/etcd-history.ts';
import { pause } from '../support/process/child.ts';
import { pick } from './load.ts';

export interface OrdersOptions {
  /** Of its own. */
  readonly directory: string;
  readonly urls: readonly string[];
  readonly client: Client;
  /** Of the services' certificates; null: no TLS. */
  readonly certificates: string | null;
  /** More will not be ordered. */
  readonly maxCount: number;
  readonly random: Random;
  /** Services are killed more seldom. */
  readonly calm?: boolean;
  /** Told of each kill. */
  readonly began: (text: string) => void;
}

const workerCount = 3;
const maxPauseMs = 600;
const killEveryMs = 20_000;
const transactionTimeoutMs = 15_000;
const callTimeoutMs = 30_000;
/**
 * An order is sent again under its id until it is answered: within the request window of 2 minutes.
 */
const giveUpMs = 110_000;
const stopTimeoutMs = 20_000;

export class Orders {
  readonly answers: Answer[] = [];
  readonly #options: OrdersOptions;
  readonly #processes = new Processes();
  readonly #all: readonly DemoOrder[];
  readonly #over = new AbortController();
  readonly #loops: Promise<void>[] = [];
  #shop: ManagedProcess | null = null;
  #next = 0;

  constructor(options: OrdersOptions) {
    this.#options = options;
    this.#all = demoOrders(options.maxCount);
  }

  /** Resolves when the services have reached the nodes. */
  async start(): Promise<void> {
    const { directory, urls, began, certificates } = this.#options;
    const { shop, shopLog } = layoutOf(directory);
    await mkdir(directory, { recursive: true });
    this.#shop = await startShop({
      processes: this.#processes,
      directory,
      urls,
      data: shop,
      certificates: certificates === null ? undefined : new Certificates(certificates),
      logFile: shopLog,
      signal: this.#over.signal,
      restarts: began,
    });
    for (let worker = 0; worker < workerCount; worker += 1) this.#loops.push(this.#work());
    this.#loops.push(this.#killServices());
  }

  /** Resolves when every order that was sent has its answer. */
  async stop(): Promise<void> {
    this.#over.abort();
    await Promise.all(this.#loops);
  }

  /** For the progress line. */
  counted(): string {
    const committed = this.answers.filter(({ outcome }) => outcome === 'committed').length;
    return `${committed} orders committed, ${this.answers.length - committed} not`;
  }

  /** Ends the services. */
  async close(): Promise<void> {
    await this.#shop?.stop(stopTimeoutMs);
    await this.#processes.stopAll(stopTimeoutMs);
  }

  /** What is not over yet, or does not add up. `changes`: etcd's whole history. */
  async problems(changes: readonly Change[]): Promise<string[]> {
    const stored = await readStoredFacts(layoutOf(this.#options.directory), async () =>
      committedOrders(changes),
    );
    const open = [...unfinished(stored)];
    if (open.length > 0) return open;
    return reconcile({ ...stored, ...this.#asked() }).flatMap(({ name, problems }) =>
      problems.map((problem) => `shop, "${name}": ${problem}`),
    );
  }

  /** However many fail for a while: faults are the point here. */
  #asked(): { orders: readonly DemoOrder[]; answers: readonly Answer[]; maxPassingShare: number } {
    return { orders: this.#all.slice(0, this.#next), answers: this.answers, maxPassingShare: 1 };
  }

  async #work(): Promise<void> {
    const { random } = this.#options;
    while (!this.#over.signal.aborted) {
      const order = this.#all[this.#next];
      if (order === undefined) return;
      this.#next += 1;
      this.answers.push(await this.#order(order));
      await pause(random.fraction() * maxPauseMs);
    }
  }

  async #order(order: DemoOrder): Promise<Answer> {
    const { participants } = JSON.parse(orderLine(order, transactionTimeoutMs)) as {
      readonly participants: Readonly<Record<string, unknown>>;
    };
    const branches = Object.entries(participants).map(([participant, payload]) => ({
      participant,
      payload,
    }));
    const requestId = order.orderId;
    const startMs = performance.now();
    for (;;) {
      const requestAgeMs = Math.round(performance.now() - startMs);
      try {
        const outcome = await this.#options.client.transact(
          { requestId, requestAgeMs, branches, timeoutMs: transactionTimeoutMs },
          { timeoutMs: callTimeoutMs },
        );
        return { requestId, ...answerOf(outcome), ms: performance.now() - startMs };
      } catch (error) {
        if (!isVerdictError(error)) throw error;
        const ms = performance.now() - startMs;
        if (ms > giveUpMs || !(error.retryable || error.acted === 'unknown')) {
          const { code, message, txid = null } = error;
          return { requestId, txid, outcome: 'unknown', error: { code, message }, ms };
        }
        await pause(200);
      }
    }
  }

  async #killServices(): Promise<void> {
    const { random, began, calm = false } = this.#options;
    const everyMs = calm ? 3 * killEveryMs : killEveryMs;
    let dueMs = performance.now() + everyMs;
    while (!this.#over.signal.aborted) {
      await pause(500);
      if (performance.now() < dueMs) continue;
      dueMs = performance.now() + everyMs * (0.5 + random.fraction());
      const name = pick(serviceNames, random);
      const pid = this.#pidOf(name);
      if (pid === null) continue;
      began(`kill -9 of the shop's ${name}`);
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  }

  /** As the shop said when it started it last; null where it is on its way back. */
  #pidOf(name: ServiceName): number | null {
    const { shopLog } = layoutOf(this.#options.directory);
    const last = readFileSync(shopLog, 'utf8')
      .split('\n')
      .findLast(
        (line) => line.includes(`| ${name} started, pid`) || line.includes(`| ${name} ended`),
      );
    const pid = /pid (\d+)/.exec(last ?? '')?.[1];
    return pid === undefined ? null : Number(pid);
  }
}

function answerOf(outcome: TransactionOutcome): Omit<Answer, 'requestId' | 'ms'> {
  const { txid } = outcome;
  if (outcome.outcome === 'committed') return { txid, outcome: 'committed' };
  return { txid, outcome: 'aborted', reason: outcome.reason };
}

/** Every commit of an order that etcd ever saw: the log itself may have collected it by now. */
function committedOrders(changes: readonly Change[]): LoggedOutcomes {
  const ids = new Set<string>();
  const finished: LoggedOutcomes['finished'][number][] = [];
  for (const { type, area, name, outcome, requestId } of changes) {
    if (type !== 'put' || area !== 'decisions' || outcome !== 'commit') continue;
    if (requestId?.startsWith('order-') !== true || ids.has(name)) continue;
    ids.add(name);
    finished.push({ txid: name as Txid, outcome, requestId });
  }
  return { decisions: [], finished, floor: positionZero };
}
