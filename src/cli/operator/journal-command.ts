/** What reads a participant's journal, on the command line. */
import type { Command } from 'commander';
import type { Io } from '../io.ts';
import { txidArgument } from '../parameters.ts';
import type { JournalFlags } from './journal.ts';

export function journalCommand(program: Command, io: Io): void {
  program
    .command('journal')
    .summary("read participants' journals: the cluster each serves, and what it holds in doubt")
    .description(
      'Reads participants\' journals in their data directories, even while the participants run, and changes nothing. It prints the id of the cluster that each has served and its branches in doubt. You need that when the decision log was deleted or recreated. The outcome of such a branch is what any other participant of its transaction did: --txid shows it. Then start the participant once with VERDICT_ADOPT_CLUSTER (docs/OPERATING.md, "A recreated decision log").',
    )
    .argument('<directories...>', "the participants' data directories")
    .option('--txid <txid>', 'everything known about this transaction', txidArgument)
    .option('--json', 'answer in JSON, for programs')
    .addHelpText(
      'after',
      '\nExamples:\n  $ verdict journal ./inventory-data ./payment-data\n  $ verdict journal ./payment-data --txid 0.00010000000000001.000000001.k3v9x0q2m8d5a',
    )
    .action(async (directories: readonly string[], flags: JournalFlags) => {
      const { showJournals } = await import('./journal.ts');
      await showJournals(io, directories, flags);
    });
}
