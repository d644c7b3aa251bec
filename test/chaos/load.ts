/**
 * The load of a chaos run: money moved between accounts at several participants, from several
 * clients at once.
 */
import type { Client } from '../../src/client.ts';
import type { Random } from '../../src/ports/random.ts';
import type { History, Locking, Plan } from '../support/clients/history.ts';
import { pause } from '../support/process/child.ts';

export interface LoadOptions {
  readonly clients: readonly Client[];
  readonly participants: readonly string[];
  readonly history: History;
  readonly random: Random;
}

const workersPerClient = 3;
const accounts = ['x', 'y', 'z'] as const;
const maxAmount = 100;
const maxPauseMs = 250;
const callTimeoutMs = 20_000;
const maxThinkMs = 100;
/**
 * Of transactions, that take named locks: few keys, in any order, so that some stand in each
 * other's way.
 */
const locking = 0.5;
const lockGroups = ['red', 'red', 'red', 'blue'] as const;
/** Less than a transaction's time-out: some waits end by it. */
const lockWaitMs = 1_500;
const lockKeys = ['k', 'l', 'm'] as const;

export class Load {
  readonly #options: LoadOptions;
  readonly #workers: Promise<void>[] = [];
  #over = false;
  #requests = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  start(): void {
    for (const client of this.#options.clients) {
      for (let count = 0; count < workersPerClient; count += 1) {
        this.#workers.push(this.#work(client));
      }
    }
  }

  /** Rejects with what a worker could not account for: an error that is none of the SDK's. */
  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#workers);
  }

  async #work(client: Client): Promise<void> {
    const { random } = this.#options;
    while (!this.#over) {
      await this.#one(client);
      await pause(random.fraction() * maxPauseMs);
    }
  }

  async #one(client: Client): Promise<void> {
    const { clients, history, random } = this.#options;
    const plan = this.#plan();
    const more = { callTimeoutMs, locking: this.#locking() };
    const kind = random.fraction();
    if (more.locking !== undefined && kind < 0.5) {
      await history.interactive(client, plan, {
        locking: more.locking,
        thinkMs: random.fraction() * maxThinkMs,
      });
    } else if (kind < 0.15) {
      await history.transact(client, plan, more);
    } else if (kind < 0.3) {
      await history.interactive(client, plan, {
        rollback: random.fraction() < 0.2,
        locking: more.locking,
      });
    } else {
      this.#requests += 1;
      const requestId = `request-${this.#requests}`;
      const tag = requestId;
      const sent = [history.transact(client, plan, { requestId, tag, ...more })];
      // The same request from another client, at the same time or later.
      if (kind < 0.45) {
        const other = pick(clients, random);
        await pause(random.fraction() * 100);
        sent.push(history.transact(other, plan, { requestId, tag, ...more }));
      }
      await Promise.all(sent);
    }
  }

  #locking(): Locking | undefined {
    const { random } = this.#options;
    if (random.fraction() >= locking) return undefined;
    const keys = shuffled(lockKeys, random).slice(0, 1 + Math.floor(random.fraction() * 3));
    return {
      lockGroup: pick(lockGroups, random),
      lockWaitMs,
      locks: keys.map((key) => ({
        keys: [key],
        mode: random.fraction() < 0.3 ? 'shared' : 'exclusive',
      })),
    };
  }

  /** From one account to one or two others, elsewhere. */
  #plan(): Plan {
    const { participants, random } = this.#options;
    const names = shuffled(participants, random);
    const amount = 1 + Math.floor(random.fraction() * maxAmount);
    const share = names.length > 2 && random.fraction() < 0.5 ? Math.floor(amount / 2) : 0;
    const [from = '', to = '', third = ''] = names;
    const slow = random.fraction() < 0.1 ? { delayMs: Math.floor(random.fraction() * 600) } : {};
    const move = (part: number) => ({
      transfer: { account: pick(accounts, random), amount: part },
    });
    return {
      [from]: { ...move(-amount), ...slow },
      [to]: move(amount - share),
      ...(share === 0 ? {} : { [third]: move(share) }),
    };
  }
}

export function pick<Value>(values: readonly Value[], random: Random): Value {
  const value = values[Math.floor(random.fraction() * values.length)];
  if (value === undefined) throw new Error('There is nothing to pick from.');
  return value;
}

/**
 * Every order as likely as any other: else money would gather at one participant, and the rest
 * would vote abort.
 */
function shuffled<Value>(values: readonly Value[], random: Random): Value[] {
  const drawn = values.map((value) => ({ value, at: random.fraction() }));
  return drawn.sort((a, b) => a.at - b.at).map(({ value }) => value);
}
