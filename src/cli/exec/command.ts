/** `verdict exec` on the command line. */
import type { Command } from 'commander';
import type { Io } from '../io.ts';
import { jwtFileOption, type SetExitCode, tokenFileOption } from '../options.ts';
import { urlList, wholeNumber } from '../parameters.ts';
import { tlsOptions } from '../tls-options.ts';
import type { ExecFlags } from './exec.ts';

export function execCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  const command = program
    .command('exec')
    .summary('play a transaction by hand, one operation per line')
    .description(
      'Carries out one operation per line (begin, register, commit, rollback, status) and prints one line of JSON for each. Without --url the participants are simulated in this process.',
    )
    .argument('<file>', 'a file, or - for stdin')
    .option(
      '--url <urls>',
      'a coordinator node, whose connected participants are used; separate several with commas',
      urlList,
    )
    .addOption(tokenFileOption('with --url: file with the token, if the node requires one'))
    .addOption(jwtFileOption('with --url: '));
  tlsOptions(command, 'with --url: ')
    .option(
      '--timeout <ms>',
      'with --url: for the connection',
      wholeNumber({ min: 1, max: 600_000 }),
      5_000,
    )
    .option('--keep-going', 'go on after a line that failed, as on a terminal')
    .addHelpText('after', help)
    .action(async (file: string, flags: ExecFlags) => {
      const { exec } = await import('./exec.ts');
      setExitCode(await exec(io, file, flags));
    });
}

const help = `
A line:
  begin [TX] [timeout=MS]        begins a transaction and calls it TX (t1, t2, ... where no name is given)
  register NAME [tx=TX] ...      adds the participant NAME
    simulated:  [vote=commit|abort|throw|hang] [delay=MS] [commit-failures=N] [rollback-failures=N]
                its vote, the time that each of its answers takes, how many commits and rollbacks
                answer "not done yet" before one is done
    with --url: [payload=JSON]   what it gets with its prepare; last on the line
  commit [TX]                    decides; the result has the outcome, and the reason of an abort
  rollback [TX] [reason=TEXT]    aborts; a transaction that was committed before stays committed
  status [TX] [wait=MS]          the state now, or once every participant has done its part

  TX is the latest transaction where it is left out; it may also be a txid.
  A line that ends in & runs in the background: the next line starts at once.
  Blank lines and lines that begin with # are skipped.

Output, one JSON object each, as they end:
  {"line","op","tx","txid","outcome","reason","results","ms"}, or {"line","op","error":{"code","message"}}
The first error stops the run (exit code 3 for a bad line, 4 where the coordinator refused), unless --keep-going
is given. What is not decided at the end is rolled back.

Examples:
  $ verdict exec transfer.txt
  $ printf 'begin\\nregister inventory\\nregister payment vote=abort\\ncommit\\n' | verdict exec -
  $ verdict exec - --url 127.0.0.1:7070`;
