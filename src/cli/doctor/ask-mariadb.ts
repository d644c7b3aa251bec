/** Asks a MariaDB or MySQL, in a session that only reads. */
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { thrownLine } from '../../core/thrown.ts';
import type { MariadbFacts } from './judge-databases.ts';
import { formatId, type Prepared, parseXid } from './prepared.ts';
import { within } from './within.ts';

export interface AskedMariadb extends Omit<MariadbFacts, 'asked'> {
  readonly prepared: readonly Prepared[];
}

export async function askMariadb(
  url: string,
  password: string | undefined,
  timeoutMs: number,
): Promise<AskedMariadb> {
  const { createConnection } = await import('mysql2/promise');
  const connecting = createConnection({
    uri: url.replace(/^mariadb:/, 'mysql:'),
    ...(password !== undefined && { password }),
    connectTimeout: timeoutMs,
  });
  // One that comes late is of no use any more.
  let given = false;
  connecting.then(
    (late) => {
      if (given) late.destroy();
    },
    () => undefined,
  );
  let connection: Connection | null = null;
  try {
    connection = await within(timeoutMs, connecting);
    connection.on('error', () => undefined);
    return await within(timeoutMs * 2, ask(connection));
  } finally {
    given = true;
    connection?.destroy();
  }
}

type Row = Readonly<Record<string, unknown>>;

async function ask(connection: Connection): Promise<AskedMariadb> {
  const rows = async (text: string): Promise<Row[]> =>
    (await connection.query<RowDataPacket[]>(text))[0];
  await connection.query('SET SESSION TRANSACTION READ ONLY');
  const variables = new Map(
    (await rows(`SHOW GLOBAL VARIABLES WHERE Variable_name IN (${variableNames})`)).map((row) => [
      String(row['Variable_name']).toLowerCase(),
      String(row['Value']),
    ]),
  );
  const told = (name: string): string => variables.get(name) ?? '';
  const [threads] = await rows("SHOW GLOBAL STATUS LIKE 'Threads_connected'");
  const tables = await rows(
    "SELECT CONCAT(table_schema, '.', table_name) AS name FROM information_schema.tables WHERE table_name = 'verdict_branches' AND table_schema = DATABASE()",
  );
  return {
    versionText: told('version'),
    flushAtCommit: Number(told('innodb_flush_log_at_trx_commit')),
    isReadOnly: !['OFF', '0', ''].includes(told('read_only').toUpperCase()),
    hasBinaryLog: told('log_bin').toUpperCase() === 'ON',
    syncBinaryLog: Number(told('sync_binlog')),
    isolation: told('transaction_isolation') || told('tx_isolation'),
    engine: told('default_storage_engine'),
    maxConnections: Number(told('max_connections')),
    connections: Number(threads?.['Value'] ?? 0),
    detachOnPrepare: variables.get('xa_detach_on_prepare') ?? null,
    tables: tables.map((row) => String(row['name'])),
    ...(await preparedAt(rows)),
  };
}

/** Of the whole server: XA ids belong to no database of it. */
async function preparedAt(
  rows: (text: string) => Promise<Row[]>,
): Promise<
  Pick<AskedMariadb, 'prepared' | 'count' | 'foreign' | 'foreignAgeMs' | 'recoverProblem'>
> {
  try {
    const found = await rows('XA RECOVER');
    const prepared = found.flatMap((row) => {
      const text = String(row['data']);
      const length = Number(row['gtrid_length']);
      if (Number(row['formatID']) !== formatId) return [];
      return parseXid(text.slice(0, length), text.slice(length)) ?? [];
    });
    const foreign = found.length - prepared.length;
    const count = prepared.length;
    return { prepared, count, foreign, foreignAgeMs: null, recoverProblem: null };
  } catch (error) {
    const none = { prepared: [], count: 0, foreign: 0, foreignAgeMs: null };
    return { ...none, recoverProblem: thrownLine(error) };
  }
}

const variableNames = [
  'version',
  'innodb_flush_log_at_trx_commit',
  'read_only',
  'log_bin',
  'sync_binlog',
  'transaction_isolation',
  'tx_isolation',
  'default_storage_engine',
  'max_connections',
  'xa_detach_on_prepare',
]
  .map((name) => `'${name}'`)
  .join(', ');
