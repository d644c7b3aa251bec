/** `verdict dev` on the command line. */
import type { Command } from 'commander';
import type { DevFlags } from './dev.ts';
import type { Io } from './io.ts';
import {
  insecureOption,
  listenOption,
  logLevelOption,
  refuseOpenDoor,
  type SetExitCode,
} from './options.ts';

export function devCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  program
    .command('dev')
    .summary('a coordinator to try things on: temporary data, a readable log')
    .description(
      'Runs a coordinator node on temporary data with a readable log, and says what to try. The data is removed at the end. With --shop (in a clone of the repository) it also runs the example shop: five services that take part in transactions.',
    )
    .addOption(listenOption('where to listen'))
    .addOption(logLevelOption())
    .addOption(insecureOption())
    .option('--no-console', 'serve no page for operators at /console')
    .option('--shop', 'also run the example shop (in a clone): inventory, payment and three more')
    .addHelpText('after', help)
    .action(async (flags: DevFlags & { insecure?: true }) => {
      refuseOpenDoor(flags.listen.host, null, flags.insecure);
      const { dev } = await import('./dev.ts');
      setExitCode(await dev(io, flags));
    });
}

const help = `
The log goes to stderr, what to try to stdout. Ctrl-C stops it all and removes the data; after kill -9 the data
stays in the directory for temporary files.

Examples:
  $ verdict dev
  $ verdict dev --listen 127.0.0.1:7171 --log-level debug
  $ verdict dev --shop`;
