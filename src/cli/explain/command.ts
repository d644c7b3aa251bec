import type { Command } from 'commander';
import type { Io } from '../io.ts';
import {
  type ConnectionFlags,
  clusterOption,
  connectionOptions,
  type EtcdFlags,
  etcdAccessOptions,
  type SetExitCode,
} from '../options.ts';
import { etcdUrls } from '../parameters.ts';

export interface ExplainFlags extends ConnectionFlags, Partial<EtcdFlags> {
  readonly cluster: string;
}

/** Registers `verdict explain`. */
export function explainCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  const command = program
    .command('explain')
    .summary('say why a transaction is where it is, and what it waits for')
    .description(
      'Says what happened to a transaction, in order; whom or what it waits for, and when that is tried next; who holds the lock it wants; why it aborted, and what that means; and what to do next. Any node can be asked: it joins what the leader has in memory, what the decision log says and what connected participants say. It only looks. With --etcd it reads the log alone where no node is named, or none answers.',
    )
    .argument(
      '<id>',
      'a txid as submit and tx list print it; or, of what the leaders remember, the beginning of one or a request id',
    );
  connectionOptions(command, { defaultMs: 10_000, meaning: 'for the whole command' }).option(
    '--etcd <urls>',
    'etcd of the cluster, as for decision: to explain from the log alone',
    etcdUrls,
  );
  etcdAccessOptions(clusterOption(command))
    .addHelpText(
      'after',
      '\nExamples:\n  $ verdict explain 0.00010000000000001.000000001.k3v9x0q2m8d5a\n  $ verdict explain order-17 --json',
    )
    .action(async (id: string, flags: ExplainFlags) => {
      const { explainTransaction } = await import('./explain.ts');
      const named = command.getOptionValueSource('url') !== 'default';
      setExitCode(await explainTransaction({ io, ...flags }, id, named));
    });
}
