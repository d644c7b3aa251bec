/** `verdict decision` on the command line. */
import { type Command, Option } from 'commander';
import type { Txid } from '../../core/txid.ts';
import type { SetExitCode } from '../connection-options.ts';
import {
  clusterOption,
  type EtcdAccessFlags,
  etcdAccessOptions,
  etcdFilesOf,
} from '../etcd-options.ts';
import { etcdUrls } from '../etcd-urls.ts';
import type { Io } from '../io.ts';
import { txidArgument } from '../parameters.ts';

interface DecisionFlags extends EtcdAccessFlags {
  readonly etcd: readonly string[];
  readonly resolve?: true;
  readonly yes?: true;
  readonly json?: true;
}

export function decisionCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  const command = program
    .command('decision')
    .summary('read the decision on a transaction straight from etcd, with no coordinator alive')
    .description(
      'Reads the decision on a transaction from the etcd of a cluster. No coordinator is asked, and none need run. Where none is recorded and the leader that could still decide has its lease, the transaction is undecided: wait for the lease to run out, or force the abort with --resolve.',
    )
    .argument('<txid>', 'as submit and tx list print it', txidArgument)
    .addOption(
      new Option('--etcd <urls>', 'etcd of the cluster; several with commas between')
        .argParser(etcdUrls)
        .makeOptionMandatory(),
    )
    .addOption(clusterOption())
    .option('--resolve', 'where it is undecided, abort it, for ever')
    .option('--yes', 'with --resolve: do not ask before the abort is forced')
    .option('--json', 'answer in JSON, for programs');
  etcdAccessOptions(command)
    .addHelpText(
      'after',
      '\nExample:\n  $ verdict decision 0.00010000000000001.000000001.k3v9x0q2m8d5a \\\n      --etcd http://10.0.0.1:2379 --cluster shop',
    )
    .action(async (txid: Txid, flags: DecisionFlags) => {
      const { decision } = await import('./decision.ts');
      setExitCode(
        await decision({
          io,
          txid,
          endpoints: flags.etcd,
          cluster: flags.cluster,
          files: etcdFilesOf(flags),
          resolve: flags.resolve === true,
          sure: flags.yes === true,
          json: flags.json === true,
        }),
      );
    });
}
