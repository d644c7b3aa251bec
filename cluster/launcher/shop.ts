/** The five services of the shop, under one process that watches over them. */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Certificates } from '../secure/installation.ts';
import { allConnectedText } from '../shop/supervise.ts';
import type { PartOptions } from './etcd.ts';
import type { ManagedProcess } from './processes.ts';
import { within } from './waiting.ts';

const main: string = fileURLToPath(new URL('../shop/main.ts', import.meta.url));
const connectTimeoutMs = 30_000;

export interface ShopOptions extends PartOptions {
  /** The nodes, host:port. */
  readonly urls: readonly string[];
  /** Default: in the directory. */
  readonly data?: string;
  readonly logFile?: string;
  /** Each service shows its own. */
  readonly certificates?: Certificates | undefined;
}

/** Resolves when every service has reached a node. */
export async function startShop(options: ShopOptions): Promise<ManagedProcess> {
  const { directory, processes, restarts, show, signal, urls } = options;
  const { certificates } = options;
  const { data = join(directory, 'shop'), logFile = join(directory, 'shop.log') } = options;
  const started = processes.start({
    name: 'shop',
    args: [
      ...[main, '--url', urls.join(','), '--data', data],
      ...(certificates === undefined ? [] : ['--certs', certificates.directory]),
      ...(restarts === undefined ? [] : ['--restart']),
    ],
    logFile,
    readStdout: true,
    onLine: show && ((line) => show('shop', line)),
  });
  const connected = new Promise<void>((resolve) => {
    createInterface({ input: started.stdout }).on('line', (line) => {
      if (line === allConnectedText) resolve();
    });
  });
  await within(Promise.race([connected, started.failsOnExit()]), {
    what: `the shop's services to connect (their log: ${logFile})`,
    timeoutMs: connectTimeoutMs,
    signal,
  });
  return started;
}
