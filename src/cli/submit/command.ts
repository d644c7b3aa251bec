/** `verdict submit` on the command line. */
import type { Command } from 'commander';
import type { Io } from '../io.ts';
import { connectionOptions, type SetExitCode } from '../options.ts';
import { wholeNumber } from '../parameters.ts';
import type { SubmitFlags } from './submit.ts';

export function submitCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  const command = program
    .command('submit')
    .summary('submit transactions, one per line, from a file or a pipe')
    .description(
      'Submits transactions, one JSON object per line, from a file of any length or a pipe, and prints each outcome as it comes.',
    )
    .argument('<file>', 'a file, or - for stdin');
  connectionOptions(command, {
    defaultMs: 30_000,
    meaning: 'for each transaction, retries included',
  })
    .option(
      '--concurrency <n>',
      'transactions in flight at once',
      wholeNumber({ min: 1, max: 10_000 }),
      64,
    )
    .option('--retry', 'retry what aborted for a temporary reason, for up to --timeout')
    .addHelpText('after', help)
    .action(async (file: string, flags: SubmitFlags) => {
      const { submit } = await import('./submit.ts');
      setExitCode(await submit(io, file, flags));
    });
}

const help = `
A line:
  {"requestId":"order-1","timeoutMs":5000,"labels":{"customer":"7"},
   "participants":{"inventory":{"sku":"A1","take":2},"payment":{"amount":30}}}

  participants  what each one gets with its prepare; at least one
  requestId     makes the line safe to repeat: within the request window (2 minutes, if the cluster
                was not made with another) it commits once, however often it is submitted. It is sent
                again by itself when a coordinator restarts. A line without one never is.
                Ids belong to the client's name, which is verdict-cli here: one that a service
                used is another request.
                What aborted is answered "aborted" again: to try once more, give --retry, or
                a new requestId.
  timeoutMs     after this long without a decision it aborts; the node's default where absent.
                Its outcome is waited for at least 5 s longer, whatever --timeout says.
  labels        for people: shown by tx show and tx list

  Blank lines are skipped. A bad line - no JSON, an unknown field, over 1 MiB - is reported with its
  number and does not stop the rest.

Output, one line each, in the order in which they end:
  order-1  <txid>  committed
  order-2  <txid>  aborted  CONFLICT inventory: stale version (a retry may succeed)
  order-3  <txid or ->  unknown | refused  <code>: <why>
With --json, one object each:
  {"line","requestId","txid","outcome":"committed|aborted|unknown|refused",
   "results"|"reason"|"error","ms"}; a bad line is refused with the error code BAD_LINE.
A summary comes last, on stderr.

The first Ctrl-C stops reading and waits for what is in flight; the second does not wait.
If no transaction is answered for a whole --timeout, the run stops and says where to go on.

Examples:
  $ verdict submit orders.jsonl --url 127.0.0.1:7070
  $ generate-orders | verdict submit - --json > outcomes.jsonl`;
