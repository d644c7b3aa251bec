/** What reads and repairs at etcd itself, on the command line. */
import type { Command } from 'commander';
import type { Txid } from '../../core/txid.ts';
import type { Io } from '../io.ts';
import { etcdAccessOptions, etcdOptions, type SetExitCode } from '../options.ts';
import { txidArgument } from '../parameters.ts';
import type { DecisionContext } from './decision.ts';
import type { EtcdContext } from './etcd-reader.ts';

export function etcdCommands(program: Command, io: Io, setExitCode: SetExitCode): void {
  const decision = program
    .command('decision')
    .summary('read the decision on a transaction from etcd, without a coordinator')
    .description(
      'Reads the decision on a transaction from the etcd of a cluster. No coordinator is asked, and none need run. Where none is recorded and the leader that could still decide has its lease, the transaction is undecided: wait for the lease to run out, or force the abort with --resolve.',
    )
    .argument('<txid>', 'as submit and tx list print it', txidArgument);
  etcdOptions(decision)
    .option('--resolve', 'abort it if it is undecided; this is final')
    .option('--yes', 'with --resolve: do not ask before the abort is forced')
    .option('--json', 'answer in JSON, for programs');
  etcdAccessOptions(decision)
    .addHelpText(
      'after',
      '\nExample:\n  $ verdict decision 0.00010000000000001.000000001.k3v9x0q2m8d5a \\\n      --etcd http://10.0.0.1:2379 --cluster shop',
    )
    .action(async (txid: Txid, flags: Omit<DecisionContext, 'io' | 'txid'>) => {
      const { showDecision } = await import('./decision.ts');
      setExitCode(await showDecision({ io, txid, ...flags }));
    });

  const raise = program
    .command('raise-generation')
    .summary('after etcd was restored from an old copy: let its nodes start again')
    .description(
      'Etcd that was brought back from an old copy may have lost commits that participants know, and every node halts on it. Bring back the newest data of etcd if there is any. Else stop all nodes, raise the generation with this, and start them: all that is begun from then on has ids above all that were given out before. docs/OPERATING.md says what to check first.',
    );
  etcdOptions(raise).option('--yes', 'do not ask').option('--json', 'answer in JSON, for programs');
  etcdAccessOptions(raise).action(async (flags: Omit<EtcdContext, 'io'>) => {
    const { raiseGeneration } = await import('./raise-generation.ts');
    setExitCode(await raiseGeneration({ io, ...flags }));
  });
}
