/** `npm run -s shop -- ...`: the example services. */

import process from 'node:process';
import { Command, InvalidArgumentError, Option } from 'commander';
import { readShop, readStore } from './internals/contents.ts';
import { readToken } from './internals/token.ts';
import { isServiceName, type ServiceName, serviceNames } from './paths.ts';
import { runService } from './run-service.ts';
import { supervise } from './supervise.ts';
import { shopTotals, totalsLines } from './totals.ts';

interface RunFlags {
  readonly url: readonly string[];
  readonly data: string;
  readonly only?: ServiceName;
  readonly restart?: boolean;
  readonly tokenFile?: string;
  readonly certs?: string;
}

const dataDefault = './shop-data';

function dataOption(): Option {
  return new Option('--data <dir>', 'where the services keep their stores').default(dataDefault);
}

function program(): Command {
  const shop = new Command('shop')
    .description(
      'Five example services - inventory, payment, order, shipping, notification - each a process with a durable store of its own, taking part in transactions.',
    )
    .addOption(
      new Option('--url <url>', 'coordinator nodes, host:port, several by commas')
        .argParser(urlList)
        .default(['127.0.0.1:7070']),
    )
    .addOption(dataOption())
    .addOption(new Option('--only <service>', 'this one, in the foreground').argParser(serviceName))
    .option('--restart', 'start a service again that died')
    .option('--token-file <file>', 'the token that the nodes ask for')
    .option(
      '--certs <dir>',
      'speak TLS; each service shows its certificate of there, as verdict dev-ca makes them',
    )
    .addHelpText('after', help)
    .enablePositionalOptions()
    .showHelpAfterError('For help: npm run -s shop -- --help')
    .action(run);
  shop
    .command('totals')
    .description('print what the stores hold, whether or not the services run')
    .addOption(dataOption())
    .option('--json', 'for programs, with the ids of the committed orders')
    .action(async (flags: { readonly data: string; readonly json?: boolean }) => {
      const totals = shopTotals(await readShop(flags.data));
      print(flags.json === true ? [JSON.stringify(totals)] : totalsLines(totals));
    });
  shop
    .command('get')
    .description('print one record with its version, such as: get inventory sku/sku-001')
    .argument('<service>', 'whose record', serviceName)
    .argument('<key>', 'the key of the record')
    .addOption(dataOption())
    .action(async (service: ServiceName, key: string, flags: { readonly data: string }) => {
      const record = (await readStore(flags.data, service)).records.get(key) ?? null;
      print([JSON.stringify({ service, key, record })]);
      if (record === null) process.exitCode = 1;
    });
  return shop;
}

const help = `
Payloads, by service; a version that is given must be the record's, or the vote is CONFLICT:
  inventory     {"orderId"?, "items": [{"sku", "quantity", "version"?}]}
  payment       {"orderId"?, "account", "amountCents", "version"?}
  order         {"orderId", "account", "items": [{"sku", "quantity"}], "totalCents"}
  shipping      {"orderId", "address"}
  notification  {"orderId", "to", "text"}

The shop opens with sku-000 to sku-199, sku-hot (10 units), customer-000 to customer-499,
reader-000 to reader-049, and blocked-000 to blocked-004, whose cards are declined.

Examples:
  $ npm run -s shop -- --url 127.0.0.1:7070 --data ./shop-data
  $ npm run -s shop -- totals --data ./shop-data --json`;

async function run(flags: RunFlags): Promise<void> {
  const { url, data, only, restart = false, tokenFile, certs } = flags;
  const args = ['--url', url.join(','), '--data', data];
  if (tokenFile !== undefined) args.push('--token-file', tokenFile);
  if (certs !== undefined) args.push('--certs', certs);
  if (only === undefined) {
    process.exitCode = await supervise({ args, restart });
    return;
  }
  const token = tokenFile === undefined ? null : readToken(tokenFile);
  await runService({ name: only, urls: url, data, token, certs: certs ?? null });
}

function urlList(text: string): readonly string[] {
  const urls = text.split(',').filter((url) => url !== '');
  if (urls.length === 0)
    throw new InvalidArgumentError('Give at least one node, such as 127.0.0.1:7070.');
  return urls;
}

function serviceName(text: string): ServiceName {
  if (isServiceName(text)) return text;
  throw new InvalidArgumentError(`The services are ${serviceNames.join(', ')}.`);
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

/**
 * What a person can mend is said in one line; anything else is a fault, and shows where it
 * happened.
 */
const expectedErrors: readonly string[] = [
  'NoShopError',
  'DirectoryLockedError',
  'JournalError',
  'StoreFormatError',
  'StoreUnreadableError',
  'StorePlaceError',
  'SecretFileError',
];

try {
  await program().parseAsync();
} catch (error) {
  const { name, message, code } = error as NodeJS.ErrnoException;
  if (!expectedErrors.includes(name) && code === undefined) throw error;
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}
