/** A MariaDB of one's own on this machine: made, started, killed, brought back. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import { findMariadb, type MariadbProgram } from './mariadb-programs.ts';
import { databaseUser, giveTo, type RunAs } from './run-as.ts';
import { DatabaseServer } from './server.ts';

export interface MariadbServerOptions {
  /** Made where it is missing, and owned by the server's user then. */
  readonly directory: string;
  readonly port: number;
  readonly onStart: (child: ChildProcess) => void;
  /** `--name=value` each, over what is set here. */
  readonly settings?: readonly string[];
}

export interface MariadbServer {
  readonly server: DatabaseServer;
  readonly address: MariadbAddress;
}

export interface MariadbAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

/** Reached from this machine alone, as PostgreSQL's is, and without a password. */
const user = 'verdict';

/**
 * Makes the data where there are none; does not start it. `missing`: there is no MariaDB to be had.
 */
export async function makeMariadb(
  options: MariadbServerOptions,
): Promise<MariadbServer | { readonly missing: string }> {
  const { directory, port, onStart, settings = [] } = options;
  const runAs = databaseUser();
  const program = await findMariadb(runAs);
  if ('missing' in program) return program;
  const { mariadbd, env } = program.found;
  const data = join(directory, 'data');
  // Of its own: each server that starts removes what it takes for its earlier self's leavings.
  const temporary = join(directory, 'tmp');
  const address = { host: '127.0.0.1', port, user, database: 'verdict' };
  const common = commonArguments(program.found, { data, temporary });
  mkdirSync(temporary, { recursive: true });
  giveTo(temporary, runAs);
  if (!existsSync(join(data, 'mysql'))) {
    mkdirSync(data, { recursive: true });
    for (const path of [directory, data]) giveTo(path, runAs);
    await initialise(program.found, common, runAs);
  }
  const server = new DatabaseServer({
    what: 'MariaDB',
    command: mariadbd,
    args: [
      ...common,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      `--socket=${join(data, 'mariadb.sock')}`,
      `--pid-file=${join(data, 'mariadb.pid')}`,
      '--skip-name-resolve',
      '--max-connections=200',
      ...settings,
    ],
    env,
    user: runAs,
    logFile: join(directory, 'mariadb.log'),
    stopSignal: 'SIGTERM',
    connects: () => connects(address),
    onStart,
  });
  return { server, address };
}

function commonArguments(
  { share }: MariadbProgram,
  { data, temporary }: { readonly data: string; readonly temporary: string },
): string[] {
  return [
    '--no-defaults',
    `--datadir=${data}`,
    `--tmpdir=${temporary}`,
    `--lc-messages-dir=${share}`,
    `--character-sets-dir=${join(share, 'charsets')}`,
    '--innodb-log-file-size=16M',
    '--innodb-buffer-pool-size=32M',
    '--innodb-flush-log-at-trx-commit=1',
  ];
}

/** What its own install script does, without the script. */
async function initialise(
  { mariadbd, share, env }: MariadbProgram,
  args: readonly string[],
  runAs: RunAs | null,
): Promise<void> {
  const child = spawn(mariadbd, [...args, '--bootstrap'], {
    cwd: '/',
    env,
    stdio: ['pipe', 'ignore', 'pipe'],
    ...runAs,
  });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-4_000);
  });
  const tables = ['mysql_system_tables.sql', 'mysql_system_tables_data.sql'];
  // One statement a line.
  child.stdin.on('error', () => undefined);
  child.stdin.end(
    [
      'CREATE DATABASE mysql;',
      'USE mysql;',
      ...tables.map((name) => readFileSync(join(share, name), 'utf8')),
      'FLUSH PRIVILEGES;',
      `CREATE USER ${user}@'127.0.0.1';`,
      `GRANT ALL ON *.* TO ${user}@'127.0.0.1' WITH GRANT OPTION;`,
      'CREATE DATABASE verdict;',
      '',
    ].join('\n'),
  );
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`MariaDB's data could not be made:\n${output}`);
}

async function connects(address: MariadbAddress): Promise<void> {
  const connection = await mysql.createConnection({ ...address, connectTimeout: 5_000 });
  connection.on('error', () => undefined);
  await connection.query('SELECT 1');
  await connection.end();
}
