/** `verdict dev`: a node on temporary data, and the shop beside it where there is one. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { thrownText } from '../core/thrown.ts';
import type { LogLevel } from '../node/logging.ts';
import { atPlace } from '../store/store-place.ts';
import { exitSoon } from '../system/exit-guard.ts';
import { CommandError } from './command-error.ts';
import { exitCodes } from './exit-codes.ts';
import type { Io } from './io.ts';
import { defaultUrl } from './parameters.ts';
import { serve } from './serve.ts';

export interface DevOptions {
  readonly host: string;
  readonly port: number;
  readonly node: string;
  readonly version: string;
  readonly logLevel: LogLevel;
  readonly shop: boolean;
}

/** In the clone; the package does not have it. The same path from src/cli and from dist/cli. */
const shopMain: string = fileURLToPath(new URL('../../cluster/shop/main.ts', import.meta.url));

export async function dev(io: Io, options: DevOptions): Promise<number> {
  const { host, port, node, version, logLevel, shop: hasShop } = options;
  if (hasShop && !existsSync(shopMain)) {
    throw new CommandError(
      'USAGE',
      'The shop is in the clone of the repository, not in the package. Leave --shop out.',
    );
  }
  // Until the node listens a signal ends the process at once, which then cleans up; there is nothing to stop in order.
  const early = earlySignals();
  const directory = temporaryData();
  const shopData = join(directory, 'shop');
  let shop: ChildProcess | null = null;
  // Also where a second Ctrl-C does not wait for anything.
  const clean = (): void => {
    shop?.kill('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', clean);
  try {
    return await serve({
      data: join(directory, 'node'),
      host,
      port,
      node,
      advertise: null,
      token: null,
      logLevel,
      logFormat: 'pretty',
      version,
      options: {},
      etcd: null,
      onReady: ({ address }) => {
        early.off();
        if (hasShop) shop = startShop(address, shopData);
        io.stdout.write(toTry({ address, directory, shopData: hasShop ? shopData : null }));
      },
    });
  } finally {
    early.off();
    await stopped(shop);
    clean();
    process.removeListener('exit', clean);
  }
}

function earlySignals(): { off(): void } {
  const interrupted = (): void => exitSoon(exitCodes.interrupted);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupted);
  return {
    off: () => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted);
    },
  };
}

function startShop(address: string, data: string): ChildProcess {
  const args = [shopMain, '--url', address, '--data', data, '--restart'];
  // Its lines go where the log goes: stdout is for what to try. The channel tells it when this process is gone.
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
}): string {
  const { address, directory, shopData } = given;
  const url = address === defaultUrl ? '' : ` --url ${address}`;
  const health = [`  http://${address}/healthz`, `  http://${address}/readyz`];
  const order = `{"participants":{"inventory":{"items":[{"sku":"sku-001","quantity":1}]},"payment":{"account":"customer-001","amountCents":500}}}`;
  const branches = [
    'begin',
    'register inventory payload={"items":[{"sku":"sku-001","quantity":1}]}',
    'register payment payload={"account":"customer-001","amountCents":500}',
    'commit',
  ];
  const tries =
    shopData === null
      ? [
          '  $ npx verdict exec -          # simulated participants: begin, register NAME, commit',
          '  To take part with services of your own: "Your first transaction" in README.md.',
        ]
      : [
          `  $ echo '${order}' | npx verdict submit -${url}`,
          `  $ printf '${branches.join('\\n')}\\n' | npx verdict exec - --url ${address}`,
          `  $ npm run -s shop -- totals --data ${shopData}`,
        ];
  return `${[
    `Verdict listens on ${address}. Its data is in ${directory}, and goes when this ends.`,
    ...(shopData === null
      ? []
      : ['The shop is starting next to it: inventory, payment, order, shipping, notification.']),
    '',
    'Try, in another terminal:',
    `  $ npx verdict status${url}`,
    ...tries,
    '',
    ...health,
    '',
  ].join('\n')}`;
}

function temporaryData(): string {
  try {
    return atPlace(tmpdir(), () => mkdtempSync(join(tmpdir(), 'verdict-dev-')));
  } catch (error) {
    const text = `Temporary data cannot be kept. ${thrownText(error)} TMPDIR says where it goes; verdict serve --data needs none.`;
    throw new CommandError('INPUT', text, { cause: error });
  }
}
