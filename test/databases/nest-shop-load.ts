/**
 * Orders without end, from callers behind a load balancer. It has the replicas of `orders` for its
 * backends, asks each for its health, and takes another where a connection is refused. Callers send
 * each order with its key until they have an answer.
 */
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../support/process/child.ts';

const callers = 6;
const healthEveryMs = 50;
const answerTimeoutMs = 40_000;
/** Longer than any fault here lasts. */
const stuckAfterMs = 15_000;
const retryDelayMs = 100;
/** Between two orders of one caller: what counts is when they meet a fault, not how many. */
const paceMs = 200;
const skus = ['lamp', 'rug', 'chair'];
const accounts = ['anna', 'bert'];

interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly retryable: boolean;
}

/** What a key got: the order's number and transaction, or why there is none. */
export interface Answer {
  readonly key: string;
  readonly status: number;
  readonly told: string;
}

export class ShopLoad {
  readonly answers: Answer[] = [];
  /** Whatever callers had to try again for, other than refused connections. */
  readonly failures: string[] = [];
  /** What stood in the way of the first that was not answered for long. */
  stuck: Promise<string> | null = null;
  readonly #ports: () => readonly number[];
  readonly #look: () => Promise<string>;
  readonly #loops: readonly Promise<void>[];
  readonly #health: Promise<void>;
  readonly #ill = new Set<number>();
  #turn = 0;
  #stopping = false;
  #stopped = false;

  /** `ports`: of the replicas, as they are at the moment. */
  constructor(ports: () => readonly number[], look: () => Promise<string>) {
    this.#ports = ports;
    this.#look = look;
    this.#health = this.#lookAfter();
    this.#loops = Array.from({ length: callers }, (_, caller) => this.#call(caller));
  }

  /** Resolves when `count` more have been answered from now on. */
  async more(count: number): Promise<void> {
    const wanted = this.answers.length + count;
    await eventually(
      () => (this.answers.length >= wanted ? true : null),
      () => `${wanted} answers; there are ${this.answers.length}\n${this.failures.join('\n')}`,
    );
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#loops);
    this.#stopped = true;
    await this.#health;
  }

  /** Every request once more, by as many callers: what each key gets now. */
  async again(): Promise<Answer[]> {
    const left = this.answers.entries();
    const again: Answer[] = [];
    const caller = async (): Promise<void> => {
      for (const [index, { key }] of left) again[index] = await this.#answered(key);
    };
    await Promise.all(Array.from({ length: callers }, caller));
    return again;
  }

  async #call(caller: number): Promise<void> {
    for (let count = 0; !this.#stopping; count += 1) {
      const key = `${caller}-${count}`;
      this.answers.push(await this.#answered(key));
      await sleep(paceMs);
    }
  }

  async #answered(key: string): Promise<Answer> {
    const stuck = setTimeout(() => (this.stuck ??= this.#look()), stuckAfterMs);
    try {
      return await this.#asked(key);
    } finally {
      clearTimeout(stuck);
    }
  }

  async #asked(key: string): Promise<Answer> {
    const untilMs = performance.now() + answerTimeoutMs;
    for (;;) {
      const sentAtMs = performance.now();
      let failure: string;
      try {
        const { status, body, retryable } = await send(this.#backend(), 'POST', key);
        const told = status < 300 ? `${body['id']} ${body['transaction']}` : `${body['detail']}`;
        if (!retryable) return { key, status, told };
        failure = `${status} ${JSON.stringify(body)}`;
      } catch (error) {
        failure = String(error);
        if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') failure = '';
      }
      const tookMs = Math.round(performance.now() - sentAtMs);
      if (failure !== '') this.failures.push(`${key}, ${tookMs} ms: ${failure}`);
      if (performance.now() > untilMs) return { key, status: 0, told: `no answer: ${failure}` };
      await sleep(failure === '' ? 0 : retryDelayMs);
    }
  }

  #backend(): number {
    const all = this.#ports();
    const well = all.filter((port) => !this.#ill.has(port));
    const backends = well.length > 0 ? well : all;
    this.#turn += 1;
    return backends[this.#turn % backends.length] ?? 0;
  }

  async #lookAfter(): Promise<void> {
    while (!this.#stopped) {
      await Promise.all(
        this.#ports().map(async (port) => {
          const isWell = await send(port, 'GET').then(
            ({ status }) => status === 200,
            () => false,
          );
          if (isWell) this.#ill.delete(port);
          else this.#ill.add(port);
        }),
      );
      await sleep(healthEveryMs);
    }
  }
}

/** Each key has its order. Every seventh costs more than there is. */
function orderOf(key: string): object {
  const [caller = 0, count = 0] = key.split('-').map(Number);
  if (count % 7 === 6) return { account: 'carl', sku: skus[caller % 3], quantity: 100 };
  return { account: accounts[count % 2], sku: skus[(caller + count) % 3], quantity: 1 };
}

/** With a key: the order. Each on a connection of its own. */
function send(port: number, method: 'GET' | 'POST', key = ''): Promise<Reply> {
  const path = method === 'GET' ? '/health' : '/orders';
  const headers = { 'content-type': 'application/json', 'idempotency-key': key };
  return new Promise((resolve, reject) => {
    const sent = request(
      { host: '127.0.0.1', port, method, path, headers, agent: false, timeout: answerTimeoutMs },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode: status = 0 } = response;
          const retryable = status >= 500 || response.headers['retry-after'] !== undefined;
          try {
            resolve({ status, body: JSON.parse(text), retryable });
          } catch (error) {
            reject(error);
          }
        });
      },
    );
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.end(method === 'GET' ? '' : JSON.stringify(orderOf(key)));
  });
}
