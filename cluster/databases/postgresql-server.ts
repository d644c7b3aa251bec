/** A PostgreSQL of one's own on this machine: made, started, killed, brought back. */
import { type ChildProcess, execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { type PostgresqlPrograms, postgresqlPrograms } from './postgresql-programs.ts';
import { databaseUser, giveTo, type RunAs } from './run-as.ts';
import { DatabaseServer } from './server.ts';

export interface PostgresqlServerOptions {
  /** Made where it is missing, and owned by the server's user then. */
  readonly directory: string;
  readonly port: number;
  readonly onStart: (child: ChildProcess) => void;
  /** `name=value` each, over what is set here. */
  readonly settings?: readonly string[];
}

export interface PostgresqlServer {
  readonly server: DatabaseServer;
  readonly address: PostgresqlAddress;
}

export interface PostgresqlAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

const run = promisify(execFile);

/** Makes the data where there are none; does not start it. */
export async function makePostgresql(options: PostgresqlServerOptions): Promise<PostgresqlServer> {
  const { directory, port, onStart, settings = [] } = options;
  const user = databaseUser();
  const programs = postgresqlPrograms(user);
  const data = join(directory, 'data');
  mkdirSync(directory, { recursive: true });
  giveTo(directory, user);
  if (!existsSync(join(data, 'PG_VERSION'))) await initialise(programs, data, user);
  const address = { host: '127.0.0.1', port, user: 'verdict', database: 'postgres' };
  const given = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'max_connections=100',
    // Zero by default, and then nothing can be prepared. One for each branch in flight, of all who
    // use the server.
    'max_prepared_transactions=400',
    'shared_buffers=32MB',
    ...settings,
  ];
  const server = new DatabaseServer({
    what: 'PostgreSQL',
    command: programs.postgres,
    args: ['-D', data, ...given.flatMap((setting) => ['-c', setting])],
    user,
    logFile: join(directory, 'postgresql.log'),
    // Fast shutdown: sessions are ended, what they had not prepared is rolled back.
    stopSignal: 'SIGINT',
    connects: () => connects(address),
    onStart,
  });
  return { server, address };
}

async function initialise(
  { initdb }: PostgresqlPrograms,
  data: string,
  user: RunAs | null,
): Promise<void> {
  await run(
    initdb,
    ['-D', data, '-U', 'verdict', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    { ...user, cwd: '/', env: { LC_ALL: 'C' }, timeout: 120_000 },
  );
}

async function connects(address: PostgresqlAddress): Promise<void> {
  const client = new pg.Client({ ...address, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    await client.end().catch(() => undefined);
  }
}
