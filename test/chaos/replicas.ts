/**
 * Two services, each of several processes over a database of its own in one PostgreSQL, and money
 * moved between them while their processes are replaced one after the other, as a rolling update
 * does it: in order, by kill -9, and with their journal lost.
 */
import { join } from 'node:path';
import type { PostgresqlAddress } from '../../cluster/databases/postgresql-server.ts';
import { type Client, isVerdictError, type TransactOutcome } from '../../src/client.ts';
import type { Random } from '../../src/ports/random.ts';
import type { TlsFiles } from '../support/network/security.ts';
import { quickParticipant } from '../support/participants/participant-process.ts';
import type { Move, TransferSettings } from '../support/participants/transfer-entry.ts';
import { Child, eventually, pause } from '../support/process/child.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';

/** Of each service. */
const replicaCounts = { bank: 3, vault: 2 } as const;
type ReplicatedService = keyof typeof replicaCounts;
export const replicatedServices = Object.keys(replicaCounts) as readonly ReplicatedService[];

/** Few, so that moves wait for each other's rows, and some in a circle until one times out. */
const hotAccounts = 8;
/** In a calm run that would look like what the faults do. */
const calmAccounts = 400;
/**
 * PostgreSQL scans a small table as a whole, and then any two branches over it conflict under
 * `serializable`, whatever their rows: in a table of 8, hardly a move would ever commit.
 */
const rows = 2_000;
const firstCents = 100_000;
const workers = 4;
const maxPauseMs = 60;
const transactionTimeoutMs = 8_000;
/** Some are away for a while, most of the time all are there. */
const maxReplacePauseMs = 6_000;
const settleTimeoutMs = 120_000;

const tables = `
  CREATE TABLE account (id int PRIMARY KEY, cents bigint NOT NULL);
  INSERT INTO account SELECT id, ${firstCents} FROM generate_series(1, ${rows}) AS id;
  CREATE TABLE ledger (request text PRIMARY KEY, cents bigint NOT NULL);
  ANALYZE account`;

interface Replica {
  readonly service: ReplicatedService;
  readonly slot: number;
  /** How many journals this place had: a lost one is not found again. */
  journals: number;
  child: Child;
}

type WayToReplace = 'stop' | 'kill' | 'lose';

export interface Asked {
  readonly request: string;
  readonly cents: number;
  /** Null: the client did not learn it. */
  readonly outcome: TransactOutcome | null;
  readonly tookMs: number;
}

export interface ReplicasOptions {
  readonly directory: string;
  readonly urls: readonly string[];
  readonly client: Client;
  /** What processes of that service dial with. */
  readonly tlsOf: (service: string) => Promise<{ readonly tls?: TlsFiles }>;
  readonly random: Random;
  /** Replaced more seldom, so that what each does is to be told apart. */
  readonly calm?: boolean;
  /** Told of each replacement as it begins. */
  readonly began: (text: string) => void;
}

export class Replicas {
  readonly asked: Asked[] = [];
  replaced = 0;
  readonly #options: ReplicasOptions;
  readonly #postgresql: TestPostgresql;
  readonly #databases: Readonly<Record<ReplicatedService, PostgresqlAddress>>;
  readonly #replicas: Replica[] = [];
  /** What those processes said that are gone. */
  readonly #alarms: string[] = [];
  readonly #loops: Promise<void>[] = [];
  #requests = 0;
  #over = false;

  private constructor(
    options: ReplicasOptions,
    postgresql: TestPostgresql,
    databases: Readonly<Record<ReplicatedService, PostgresqlAddress>>,
  ) {
    this.#options = options;
    this.#postgresql = postgresql;
    this.#databases = databases;
  }

  /** Resolves when every process is connected. */
  static async started(options: ReplicasOptions): Promise<Replicas> {
    const postgresql = await startPostgresql();
    try {
      const databases = {
        bank: await postgresql.database(tables),
        vault: await postgresql.database(tables),
      };
      const replicas = new Replicas(options, postgresql, databases);
      for (const service of replicatedServices) {
        for (let slot = 1; slot <= replicaCounts[service]; slot += 1) {
          const place = { service, slot, journals: 1 };
          replicas.#replicas.push({ ...place, child: await replicas.#launch(place) });
        }
      }
      return replicas;
    } catch (error) {
      await postgresql.dispose();
      throw error;
    }
  }

  start(): void {
    for (let worker = 0; worker < workers; worker += 1) this.#loops.push(this.#work());
    this.#loops.push(this.#replaceOnAndOn());
  }

  /** Resolves when every call has its answer, and every process is there. */
  async stop(): Promise<void> {
    this.#over = true;
    await Promise.all(this.#loops);
  }

  async #replaceOnAndOn(): Promise<void> {
    const { random, calm = false } = this.#options;
    const slowness = calm ? 5 : 1;
    for (let at = 0; !this.#over; at += 1) {
      for (let turn = 0; turn < slowness && !this.#over; turn += 1)
        await pause(random.fraction() * maxReplacePauseMs);
      const replica = this.#replicas[at % this.#replicas.length];
      const chance = random.fraction();
      const way = chance < 0.5 ? 'stop' : chance < 0.8 ? 'kill' : 'lose';
      if (replica !== undefined && !this.#over) await this.#replace(replica, way);
    }
  }

  async #replace(replica: Replica, way: WayToReplace): Promise<void> {
    const { began } = this.#options;
    const { service, slot, child } = replica;
    began(`${way} of ${service} ${slot}`);
    if (way === 'stop') {
      const exit = await child.stop();
      if (exit.code !== 0) this.#alarms.push(`${service} ${slot} ended with ${exit.code}`);
    } else {
      await child.kill();
    }
    this.#alarms.push(...alarmsOf(child));
    if (way === 'lose') replica.journals += 1;
    replica.child = await this.#launch(replica);
    this.replaced += 1;
  }

  async #launch({
    service,
    slot,
    journals,
  }: Pick<Replica, 'service' | 'slot' | 'journals'>): Promise<Child> {
    const { directory, urls, tlsOf } = this.#options;
    const settings: TransferSettings = {
      name: service,
      urls,
      journal: join(directory, `${service}-${slot}-${journals}`),
      database: this.#databases[service],
      options: quickParticipant,
      ...(await tlsOf(service)),
    };
    const child = new Child('test/support/participants/transfer-entry.ts', {
      args: [JSON.stringify(settings)],
    });
    if ((await child.line(/connected/)) === null) {
      throw new Error(`${service} ${slot} did not start:\n${child.lines.slice(-10).join('\n')}`);
    }
    return child;
  }

  async #work(): Promise<void> {
    const { random } = this.#options;
    while (!this.#over) {
      await this.#one();
      await pause(random.fraction() * maxPauseMs);
    }
  }

  async #one(): Promise<void> {
    const { client, random, calm = false } = this.#options;
    const accounts = calm ? calmAccounts : hotAccounts;
    this.#requests += 1;
    const request = `move-${this.#requests}`;
    const cents = Math.ceil(random.fraction() * 100) * (random.fraction() < 0.5 ? 1 : -1);
    const account = (): number => 1 + Math.floor(random.fraction() * accounts);
    const move = (part: number): Move => ({ request, account: account(), cents: part });
    const branches = [
      { participant: 'bank', payload: move(cents) },
      { participant: 'vault', payload: move(-cents) },
    ];
    let outcome: TransactOutcome | null = null;
    const startMs = performance.now();
    try {
      outcome = await client.transact(
        { requestId: request, branches, timeoutMs: transactionTimeoutMs },
        { timeoutMs: transactionTimeoutMs * 3 },
      );
    } catch (error) {
      if (!isVerdictError(error)) throw error;
    }
    this.asked.push({ request, cents, outcome, tookMs: performance.now() - startMs });
  }

  counted(): string {
    const counts = new Map<string, number>();
    for (const { outcome } of this.asked) {
      const key = outcome === null ? 'unknown' : outcome.outcome;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return [...counts].map(([key, count]) => `${count} ${key}`).join(', ');
  }

  /**
   * Aborts that a service over its own data would not expect: neither its own vote nor worth
   * another try.
   */
  #refused(): string[] {
    return this.asked.flatMap(({ request, outcome }) => {
      if (outcome?.outcome !== 'aborted' || outcome.reason.retryable) return [];
      const { code, message } = outcome.reason;
      return message.includes('Too little money') ? [] : [`${request}: ${code} ${message}`];
    });
  }

  /**
   * Waits until nothing is prepared any more; then what does not add up, with what the processes
   * alarmed of.
   */
  async settled(): Promise<string[]> {
    let open: readonly string[] = [];
    try {
      await eventually(
        async () => {
          open = await this.#prepared();
          return open.length === 0 ? true : null;
        },
        () => `nothing to be prepared any more; there is ${open.join(', ')}`,
        settleTimeoutMs,
      );
    } catch (error) {
      return [String(error)];
    }
    const [bank, vault] = [await this.#booked('bank'), await this.#booked('vault')];
    const problems = [
      ...this.#refused(),
      ...this.#alarms,
      ...this.#replicas.flatMap(({ child }) => alarmsOf(child)),
    ];
    for (const { request, cents, outcome } of this.asked) {
      const there = [bank.get(request) === cents, vault.get(request) === -cents];
      const anywhere = bank.has(request) || vault.has(request);
      const whole = there.every(Boolean) || !anywhere;
      if (!whole) problems.push(`${request} is in one database and not in the other`);
      if (outcome?.outcome === 'committed' && !there.every(Boolean))
        problems.push(`${request} was told committed and is not there`);
      if (outcome?.outcome === 'aborted' && anywhere)
        problems.push(`${request} was told aborted and is there`);
    }
    for (const service of replicatedServices) {
      const booked = [...(await this.#booked(service)).values()].reduce((sum, one) => sum + one, 0);
      const sum = await this.#sum(service);
      if (sum !== rows * firstCents + booked)
        problems.push(`${service} holds ${sum}, its ledger says ${booked} more than it began with`);
    }
    return problems;
  }

  async #prepared(): Promise<string[]> {
    const rows = await this.#postgresql.query<{ gid: string }>(
      this.#databases.bank,
      'SELECT gid FROM pg_prepared_xacts',
    );
    return rows.map(({ gid }) => gid);
  }

  async #booked(service: ReplicatedService): Promise<Map<string, number>> {
    const rows = await this.#postgresql.query<{ request: string; cents: string }>(
      this.#databases[service],
      'SELECT request, cents FROM ledger',
    );
    return new Map(rows.map(({ request, cents }) => [request, Number(cents)]));
  }

  async #sum(service: ReplicatedService): Promise<number> {
    const [row] = await this.#postgresql.query<{ sum: string }>(
      this.#databases[service],
      'SELECT sum(cents) FROM account',
    );
    return Number(row?.sum);
  }

  async close(): Promise<void> {
    await Promise.all(this.#replicas.map(({ child }) => child.kill()));
    await this.#postgresql.dispose();
  }
}

function alarmsOf(child: Child): string[] {
  return child.lines.filter((line) => line.includes('ALARM'));
}
