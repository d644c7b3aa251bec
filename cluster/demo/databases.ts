/**
 * `demo --databases`: inventory and payment keep their records in PostgreSQL, order in MariaDB
 * where there is one, and the rest on the versioned store.
 */
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeMariadb } from '../databases/mariadb-server.ts';
import { makePostgresql } from '../databases/postgresql-server.ts';
import type { DatabaseServer } from '../databases/server.ts';
import { freePort } from '../launcher/free-ports.ts';
import type { Processes } from '../launcher/processes.ts';
import { readDatabases, type ServiceDatabase, writeDatabases } from '../shop/databases.ts';
import type { ServiceName } from '../shop/paths.ts';
import { services } from '../shop/services.ts';
import { createDatabase, seedRecords } from '../shop/sql-records.ts';
import type { Layout } from './layout.ts';

export interface DemoDatabases {
  /** For people. */
  readonly note: string;
  stop(): Promise<void>;
}

const onPostgresql: readonly ServiceName[] = ['inventory', 'payment'];
const onMariadb: readonly ServiceName[] = ['order'];

/** Makes them, with what the services begin with, and tells the shop. */
export async function startDatabases(layout: Layout, processes: Processes): Promise<DemoDatabases> {
  const folder = folderOf(layout);
  const onStart = ending(processes);
  const postgresql = await makePostgresql({
    directory: join(folder, 'postgresql'),
    port: await freePort(),
    onStart,
  });
  const mariadb = await makeMariadb({
    directory: join(folder, 'mariadb'),
    port: await freePort(),
    onStart,
  });
  const servers: DatabaseServer[] = [postgresql.server];
  if (!('missing' in mariadb)) servers.push(mariadb.server);
  for (const server of servers) await server.start();
  const databases: Partial<Record<ServiceName, ServiceDatabase>> = {};
  for (const name of onPostgresql) {
    databases[name] = await seeded({ kind: 'postgresql', ...postgresql.address }, name);
  }
  if (!('missing' in mariadb)) {
    for (const name of onMariadb) {
      databases[name] = await seeded({ kind: 'mariadb', ...mariadb.address }, name);
    }
  }
  mkdirSync(layout.shop, { recursive: true, mode: 0o700 });
  writeDatabases(layout.shop, databases);
  const note =
    'missing' in mariadb
      ? `inventory and payment on PostgreSQL; order is not on MariaDB: ${mariadb.missing}`
      : 'inventory and payment on PostgreSQL, order on MariaDB';
  return { note, stop: () => stopAll(servers) };
}

/** Starts those of an earlier run on their data; nothing where it had none. */
export async function startAgain(layout: Layout, processes: Processes): Promise<DemoDatabases> {
  const kept = Object.values(readDatabases(layout.shop));
  const servers: DatabaseServer[] = [];
  for (const kind of new Set(kept.map((each) => each.kind))) {
    const port = kept.find((each) => each.kind === kind)?.port ?? 0;
    const options = { directory: join(folderOf(layout), kind), port, onStart: ending(processes) };
    const made = kind === 'postgresql' ? await makePostgresql(options) : await makeMariadb(options);
    if ('missing' in made) throw new Error(made.missing);
    await made.server.start();
    servers.push(made.server);
  }
  return { note: '', stop: () => stopAll(servers) };
}

async function seeded(server: ServiceDatabase, name: ServiceName): Promise<ServiceDatabase> {
  // The bare name may be a word of SQL, such as order.
  const at = await createDatabase(server, `shop_${name}`);
  await seedRecords(at, services[name].seed);
  return at;
}

/** The servers may run as another user, who must get to their data. */
function folderOf(layout: Layout): string {
  const folder = join(layout.directory, 'databases');
  mkdirSync(folder, { recursive: true });
  for (const path of [layout.directory, folder]) chmodSync(path, 0o755);
  return folder;
}

/** Whatever ends this process ends them. */
function ending(processes: Processes): (child: ChildProcess) => void {
  return (child) => processes.atEnd(() => void child.kill('SIGKILL'));
}

async function stopAll(servers: readonly DatabaseServer[]): Promise<void> {
  for (const server of servers) await server.stop();
}
