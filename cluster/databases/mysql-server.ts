/**
 * A MySQL of one's own on this machine: Debian's, from `sid` (no stable release has it), unpacked
 * with the libraries that it was built for, which are newer than this system's. So it is started by
 * their own loader.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import mysql from 'mysql2/promise';
import { isProgram, unpackDebian } from '../debian/unpack.ts';
import type { MariadbServer, MariadbServerOptions } from './mariadb-server.ts';
import { databaseUser, giveTo } from './run-as.ts';
import { DatabaseServer } from './server.ts';

const suite = 'sid';
/** The server and all that it loads; its scripts need more. */
const packages = [
  'mysql-server-core',
  ...['libaio1t64', 'libbrotli1', 'libc6', 'libcbor0.10', 'libcom-err2', 'libcurl4t64'],
  ...['libfido2-1', 'libgcc-s1', 'libgoogle-perftools4t64', 'libgssapi-krb5-2', 'libicu78'],
  ...['libidn2-0', 'libk5crypto3', 'libkeyutils1', 'libkrb5-3', 'libkrb5support0', 'libldap2'],
  ...['liblz4-1', 'liblzma5', 'libmecab2', 'libnghttp2-14', 'libnghttp3-9', 'libngtcp2-16'],
  ...['libngtcp2-crypto-ossl0', 'libnuma1', 'libprotobuf-lite32t64', 'libprotobuf32t64'],
  ...['libpsl5t64', 'libsasl2-2', 'libssh2-1t64', 'libssl3t64', 'libstdc++6'],
  ...['libtcmalloc-minimal4t64', 'libtirpc3t64', 'libudev1', 'libunistring5', 'libunwind8'],
  ...['libzstd1', 'zlib1g'],
];
const program = 'usr/sbin/mysqld';
const initialiseTimeoutMs = 120_000;
const run = promisify(execFile);

type Found = { readonly tree: string } | { readonly missing: string };

/** The tree that it is unpacked to. */
export async function findMysql(): Promise<Found> {
  const named = process.env['VERDICT_MYSQL_TREE'] || null;
  const cache = named ?? join(tmpdir(), `verdict-mysql-${process.getuid?.() ?? 0}`);
  // Everybody may write to the folder of temporary files.
  if (existsSync(cache) && lstatSync(cache).uid !== process.getuid?.())
    return { missing: `${cache} belongs to another user. Remove it.` };
  if (!isProgram(join(cache, program))) {
    const problem = await unpackDebian({ cache, packages, program, suite });
    if (problem !== null) return { missing: `Debian's MySQL could not be unpacked: ${problem}` };
    chmodSync(cache, 0o755);
  }
  return { tree: cache };
}

/** As `makeMariadb`. */
export async function makeMysql(
  options: MariadbServerOptions,
): Promise<MariadbServer | { readonly missing: string }> {
  const { directory, port, onStart, settings = [] } = options;
  const user = databaseUser();
  const found = await findMysql();
  if ('missing' in found) return found;
  const { tree } = found;
  const data = join(directory, 'data');
  const { command, common } = programOf(tree);
  const own = [...common, `--datadir=${data}`];
  const address = { host: '127.0.0.1', port, user: 'verdict', database: 'verdict' };
  if (!existsSync(join(data, 'mysql'))) {
    mkdirSync(directory, { recursive: true });
    giveTo(directory, user);
    const made = join(tree, 'data');
    if (!existsSync(made)) await makeData(tree, made);
    rmSync(data, { recursive: true, force: true });
    await run('cp', ['-a', made, data]);
  }
  const server = new DatabaseServer({
    what: 'MySQL',
    command,
    args: [
      ...own,
      '--bind-address=127.0.0.1',
      `--port=${port}`,
      `--socket=${join(data, 'mysql.sock')}`,
      `--pid-file=${join(data, 'mysql.pid')}`,
      '--skip-name-resolve',
      '--max-connections=200',
      ...settings,
    ],
    user,
    logFile: join(directory, 'mysql.log'),
    stopSignal: 'SIGTERM',
    connects: async () => {
      const connection = await mysql.createConnection({ ...address, connectTimeout: 5_000 });
      connection.on('error', () => undefined);
      await connection.query('SELECT 1');
      await connection.end();
    },
    onStart,
  });
  return { server, address };
}

function programOf(tree: string): { readonly command: string; readonly common: string[] } {
  const share = join(tree, 'usr', 'share', 'mysql');
  const libraries = join(tree, 'usr', 'lib', 'x86_64-linux-gnu');
  const common = [
    ...['--library-path', libraries, join(tree, program), '--no-defaults'],
    `--lc-messages-dir=${share}`,
    `--character-sets-dir=${join(share, 'charsets')}`,
    '--innodb-redo-log-capacity=32M',
    '--innodb-buffer-pool-size=32M',
    '--skip-log-bin',
    '--mysqlx=OFF',
    '--secure-file-priv=NULL',
  ];
  return { command: join(libraries, 'ld-linux-x86-64.so.2'), common };
}

/** Once for each tree, as it takes longer than a start. What runs is a copy. */
async function makeData(tree: string, made: string): Promise<void> {
  const user = databaseUser();
  const { command, common } = programOf(tree);
  // Made aside and moved into place whole: two processes may do this at once.
  const work = mkdtempSync(`${made}-`);
  try {
    const data = join(work, 'data');
    mkdirSync(data);
    const first = join(work, 'first.sql');
    writeFileSync(
      first,
      [
        `CREATE USER verdict@'127.0.0.1';`,
        `GRANT ALL ON *.* TO verdict@'127.0.0.1' WITH GRANT OPTION;`,
        'CREATE DATABASE verdict;',
        '',
      ].join('\n'),
    );
    for (const path of [work, data, first]) giveTo(path, user);
    const args = [...common, `--datadir=${data}`, '--initialize-insecure', `--init-file=${first}`];
    const options = { cwd: '/', timeout: initialiseTimeoutMs, ...user };
    await run(command, args, options).catch((error: { stderr?: string }) => {
      throw new Error(`MySQL's data could not be made:\n${error.stderr?.slice(-4_000) ?? error}`);
    });
    // A server's name for itself, which no two are to share.
    rmSync(join(data, 'auto.cnf'), { force: true });
    renameSync(data, made);
  } catch (error) {
    // The other process was first.
    if (!existsSync(made)) throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
