/**
 * The shop of `npm create verdict` as its user runs it: two replicas of each service, over a
 * node, a PostgreSQL and a MariaDB that can all be killed and brought back.
 */

import { join } from 'node:path';
import { databaseUrl } from '../../cluster/databases/address.ts';
import type { MariadbAddress } from '../../cluster/databases/mariadb-server.ts';
import type { PostgresqlAddress } from '../../cluster/databases/postgresql-server.ts';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import {
  type Books,
  faultsOf,
  makeDatabases,
  readBooks,
  type ShopDatabases,
} from '../../scripts/examples/shop/books.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { NodeProcess } from '../support/nodes/node-process.ts';
import { Child, eventually } from '../support/process/child.ts';
import { laidOutShop } from '../support/process/laid-out-shop.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { startMariadb, type TestMariadb } from '../support/resources/mariadb.ts';
import { startPostgresql, type TestPostgresql } from '../support/resources/postgresql.ts';

export const services = ['orders', 'stock', 'payment'] as const;
export type Service = (typeof services)[number];

/** One replica's place: its port, and who has it now. */
export interface Place {
  readonly service: Service;
  readonly port: number;
  readonly instance: string;
  child: Child;
}

interface Addresses {
  readonly postgresql: PostgresqlAddress;
  readonly mariadb: MariadbAddress;
}

export class NestShop implements AsyncDisposable {
  readonly postgresql: TestPostgresql;
  readonly mariadb: TestMariadb;
  readonly node: NodeProcess;
  readonly places: Place[] = [];
  readonly #directory: ReturnType<typeof temporaryDirectory>;
  readonly #addresses: Addresses;
  readonly #databases: ShopDatabases;
  readonly #home: string;
  readonly #children: Child[] = [];
  #before: Books | null = null;

  private constructor(made: {
    readonly directory: ReturnType<typeof temporaryDirectory>;
    readonly postgresql: TestPostgresql;
    readonly mariadb: TestMariadb;
    readonly node: NodeProcess;
    readonly addresses: Addresses;
    readonly databases: ShopDatabases;
    readonly home: string;
  }) {
    this.#directory = made.directory;
    this.postgresql = made.postgresql;
    this.mariadb = made.mariadb;
    this.node = made.node;
    this.#addresses = made.addresses;
    this.#databases = made.databases;
    this.#home = made.home;
  }

  /** All six replicas at once, on empty databases: whoever is first makes the tables. */
  static async open(): Promise<NestShop> {
    await using begun = new AsyncDisposableStack();
    const directory = begun.adopt(temporaryDirectory(), (each) => each.remove());
    const postgresql = begun.adopt(await startPostgresql(), (each) => each.dispose());
    const mariadb = begun.adopt(await startMariadb(), (each) => each.dispose());
    const node = begun.adopt(
      await NodeProcess.started({ data: join(directory.path, 'node'), logLevel: 'info' }),
      async (each) => void (await each.kill()),
    );
    const addresses = {
      postgresql: await postgresql.database('SELECT 1'),
      mariadb: await mariadb.database([]),
    };
    const databases = await makeDatabases(
      databaseUrl('postgres', addresses.postgresql),
      databaseUrl('mysql', addresses.mariadb),
    );
    const home = await laidOutShop(directory.path);
    const shop = new NestShop({
      ...{ directory, postgresql, mariadb, node },
      ...{ addresses, databases, home },
    });
    begun.defer(() => shop.#killAll());
    const wanted = services.flatMap((service) => [1, 2].map((at) => [service, at] as const));
    await Promise.all(
      wanted.map(async ([service, at]) => {
        const place = { service, port: await freePort(), instance: `${service}-${at}` };
        shop.places.push(await shop.#started(place, 'v1'));
      }),
    );
    shop.#before = await shop.books();
    begun.move();
    return shop;
  }

  place(instance: string): Place {
    const place = this.places.find((each) => each.instance === instance);
    if (place === undefined) throw new Error(`There is no ${instance}.`);
    return place;
  }

  portsOf(service: Service): number[] {
    return this.places.filter((each) => each.service === service).map(({ port }) => port);
  }

  /** Resolves when it is ready. It takes over the place, whose process has ended. */
  async start(place: Place, version: string): Promise<void> {
    Object.assign(place, await this.#started(place, version));
  }

  /** Beside the others, under a name of its own. */
  async add(service: Service, instance: string, version: string): Promise<void> {
    const port = await freePort();
    this.places.push(await this.#started({ service, instance, port }, version));
  }

  remove(place: Place): void {
    this.places.splice(this.places.indexOf(place), 1);
  }

  books(): Promise<Books> {
    return readBooks(this.#databases);
  }

  /** Resolves when nothing is in doubt any more and the books are in order. */
  async inOrder(): Promise<Books> {
    const before = this.#before;
    if (before === null) throw new Error('The shop is not open yet.');
    let faults: string[] = [];
    return eventually(
      async () => {
        const books = await this.books();
        faults = faultsOf(before, books);
        return faults.length === 0 ? books : null;
      },
      () => `the books to be in order:\n${faults.join('\n')}\n${this.output()}`,
    );
  }

  /** Who holds what, at the node and in the databases: for a request that gets no answer. */
  async standing(): Promise<string> {
    const { postgresql, mariadb } = this.#addresses;
    const looks = [
      this.node.asked().then(async (peer) => {
        const listed = await peer.ask({ type: 'list', id: 1, limit: 20 });
        await peer.close();
        return listed;
      }),
      this.postgresql.query(postgresql, 'SELECT * FROM pg_prepared_xacts'),
      this.postgresql.query(
        postgresql,
        'SELECT pid, state, query, wait_event, pg_blocking_pids(pid) FROM pg_stat_activity WHERE xact_start IS NOT NULL',
      ),
      this.mariadb.query<object>(mariadb, 'XA RECOVER'),
      this.mariadb.query<object>(
        mariadb,
        'SELECT ID, TIME, STATE, INFO FROM information_schema.PROCESSLIST',
      ),
      this.mariadb.query<object>(mariadb, 'SELECT * FROM information_schema.INNODB_TRX'),
    ];
    const found = (await Promise.allSettled(looks)).map((one) =>
      one.status === 'fulfilled' ? JSON.stringify(one.value) : String(one.reason),
    );
    return [...found, this.output()].join('\n');
  }

  /** The end of what each process has said. */
  output(): string {
    return this.#children.flatMap(({ lines }) => lines.slice(-8)).join('\n');
  }

  lines(): string[] {
    return this.#children.flatMap(({ lines }) => lines);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#killAll();
    await this.node.kill();
    await this.mariadb.dispose();
    await this.postgresql.dispose();
    this.#directory.remove();
  }

  async #started(place: Omit<Place, 'child'>, version: string): Promise<Place> {
    const { service, instance, port } = place;
    const child = new Child(join(this.#home, `dist/${service}/main.js`), {
      args: [],
      cwd: this.#home,
      env: {
        DATABASE_URL: this.#databases[service],
        VERDICT_URL: this.node.url,
        HOST: '127.0.0.1',
        PORT: String(port),
        INSTANCE: instance,
        DATA_DIRECTORY: join(this.#directory.path, 'replicas'),
        VERSION: version,
        // The load balancer looks every 50 ms: it has heard by then, on a slow machine too.
        SHUTDOWN_DELAY_MS: String(500 * slownessFactor),
        NO_COLOR: '1',
      },
    });
    this.#children.push(child);
    if ((await child.line(/ is ready at /)) === null) {
      throw new Error(`${instance} did not start:\n${child.lines.slice(-30).join('\n')}`);
    }
    return { service, instance, port, child };
  }

  async #killAll(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.kill()));
  }
}
