/** `verdict dev`: a node on temporary data, and the shop beside it where there is one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { thrownText } from '../core/thrown.ts';
import { atPlace } from '../store/store-place.ts';
import { exitSoon } from '../system/exit-guard.ts';
import { CommandError, usageError } from './command-error.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import type { Io } from './io.ts';
import { defaultUrl, hostName } from './parameters.ts';
import { type ServeFlags, serve } from './serve.ts';

export interface DevFlags extends Pick<ServeFlags, 'listen' | 'logLevel' | 'console'> {
  readonly shop?: true;
}

/** In the clone; the package does not have it. The same path from src/cli and from dist/cli. */
const shopMain: string = fileURLToPath(new URL('../../cluster/shop/main.ts', import.meta.url));

export async function dev(
  io: Io,
  { listen, logLevel, shop: hasShop, console: hasConsole = true }: DevFlags,
): Promise<ExitCode> {
  if (hasShop && !existsSync(shopMain)) {
    throw usageError(
      'The shop is in the clone of the repository, not in the package. Leave --shop out.',
    );
  }
  // Until the node listens there is nothing to stop in order: a signal ends the process at once.
  const release = io.onStopSignal(() => exitSoon(exitCodes.interrupted));
  const directory = temporaryData();
  const shopData = join(directory, 'shop');
  let shop: ChildProcess | null = null;
  // Also where a second Ctrl-C does not wait for anything.
  const clean = (): void => {
    shop?.kill('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', clean);
  const flags: ServeFlags = {
    data: join(directory, 'node'),
    listen,
    node: hostName(),
    logLevel,
    logFormat: 'pretty',
    option: {},
    cluster: 'verdict',
    console: hasConsole,
  };
  try {
    return await serve(io, flags, {
      token: null,
      onReady: (address) => {
        release();
        if (hasShop) shop = startShop(address, shopData);
        io.stdout.write(
          toTry({ address, directory, shopData: hasShop ? shopData : null, hasConsole }),
        );
      },
    });
  } finally {
    release();
    await stopped(shop);
    clean();
    process.removeListener('exit', clean);
  }
}

function startShop(address: string, data: string): ChildProcess {
  const args = [shopMain, '--url', address, '--data', data, '--restart'];
  // Its lines go to stderr, as the log does. The channel tells it when this process is gone.
  return spawn(process.execPath, args, { stdio: ['ignore', 2, 2, 'ipc'] });
}

async function stopped(shop: ChildProcess | null): Promise<void> {
  if (shop === null || shop.exitCode !== null || shop.signalCode !== null) return;
  shop.kill('SIGTERM');
  await once(shop, 'exit');
}

function toTry(given: {
  readonly address: string;
  readonly directory: string;
  readonly shopData: string | null;
  readonly hasConsole: boolean;
}): string {
  const { address, directory, shopData, hasConsole } = given;
  const url = address === defaultUrl ? '' : ` --url ${address}`;
  const order = `{"participants":{"inventory":{"items":[{"sku":"sku-001","quantity":1}]},"payment":{"account":"customer-001","amountCents":500}}}`;
  const branches = String.raw`begin\nregister inventory payload={"items":[{"sku":"sku-001","quantity":1}]}\nregister payment payload={"account":"customer-001","amountCents":500}\ncommit\n`;
  const shop =
    '\nThe shop is starting next to it: inventory, payment, order, shipping, notification.';
  const tries =
    shopData === null
      ? `  $ npx verdict exec -          # simulated participants: begin, register NAME, commit
  To take part with services of your own: "Your first transaction" in README.md.`
      : `  $ echo '${order}' | npx verdict submit -${url}
  $ printf '${branches}' | npx verdict exec - --url ${address}
  $ npm run -s shop -- totals --data ${shopData}`;
  return `Verdict listens on ${address}. Its data is in ${directory}, and goes when this ends.${shopData === null ? '' : shop}

${hasConsole ? `Open in a browser:\n  http://${address}/console/\n\n` : ''}Try, in another terminal:
  $ npx verdict status${url}
${tries}

  http://${address}/healthz
  http://${address}/readyz
`;
}

function temporaryData(): string {
  try {
    return atPlace(tmpdir(), () => mkdtempSync(join(tmpdir(), 'verdict-dev-')));
  } catch (error) {
    const text = `Temporary data cannot be kept. ${thrownText(error)} TMPDIR says where it goes; verdict serve --data needs none.`;
    throw new CommandError('INPUT', text, { cause: error });
  }
}
