/** `openTransactions` with a database behind a proxy, ended with its test. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { openTransactions, type Transactions } from '../../src/embedded.ts';
import { silentLogger } from '../../src/ports/logger.ts';
import type { Database } from '../../src/resources/sql/database.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { portOf } from '../support/network/breaking.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';

/** `databases`: with the port of the proxy, in place of the one that it leads to. */
export async function openBehindProxy<Name extends string>(
  port: number,
  databases: (port: number) => Readonly<Record<Name, Database>>,
): Promise<{ readonly db: Transactions<Name>; readonly proxy: TcpProxy }> {
  const directory = temporaryDirectory();
  const proxy = await TcpProxy.started(port);
  const db = await openTransactions({
    directory: join(directory.path, 'verdict'),
    databases: databases(portOf(proxy)),
    logger: silentLogger,
  });
  onTestFinished(async () => {
    proxy.heal();
    proxy.cut();
    await db.close();
    await proxy.close();
    directory.remove();
  });
  return { db, proxy };
}
