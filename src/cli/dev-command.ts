/** `verdict dev` on the command line. */
import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import { type LogLevel, logLevels } from '../node/logging.ts';
import type { SetExitCode } from './connection-options.ts';
import type { Io } from './io.ts';
import { insecureOption, refuseOpenDoor } from './open-door.ts';
import { defaultUrl, listenAddress } from './parameters.ts';
import { startFailure } from './serve-command.ts';
import { packageVersion } from './version.ts';

interface DevFlags {
  readonly listen: ReturnType<typeof listenAddress>;
  readonly logLevel: LogLevel;
  readonly insecure?: true;
  readonly shop?: true;
}

export function devCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  program
    .command('dev')
    .summary('a coordinator to try things on: temporary data, a readable log')
    .description(
      'Runs a coordinator node on temporary data with a readable log, and says what to try. The data is removed at the end. With --shop (in a clone of the repository) it also runs the example shop: five services that take part in transactions.',
    )
    .addOption(
      new Option('--listen <host:port>', 'where to listen')
        .argParser(listenAddress)
        .default(listenAddress(defaultUrl), defaultUrl),
    )
    .addOption(
      new Option('--log-level <level>', 'lowest level to log').choices(logLevels).default('info'),
    )
    .addOption(insecureOption())
    .option('--shop', 'also run the example shop (in a clone): inventory, payment and three more')
    .addHelpText('after', help)
    .action(async ({ listen, logLevel, shop, insecure }: DevFlags) => {
      refuseOpenDoor({ listen, token: null, insecure: insecure === true });
      const { dev } = await import('./dev.ts');
      try {
        const node = hostname();
        const version = packageVersion();
        setExitCode(await dev(io, { ...listen, logLevel, shop: shop === true, node, version }));
      } catch (error) {
        throw startFailure(error);
      }
    });
}

const help = `
The log goes to stderr, what to try to stdout. Ctrl-C stops it all and removes the data; after kill -9 the data
stays in the directory for temporary files.

Examples:
  $ verdict dev
  $ verdict dev --listen 127.0.0.1:7171 --log-level debug
  $ verdict dev --shop`;
