/** The operator's commands on the command line. */
import { type Command, Option } from 'commander';
import type { Claim } from '../../core/claims.ts';
import type { Txid } from '../../core/txid.ts';
import { usageError } from '../command-error.ts';
import type { Io } from '../io.ts';
import {
  type ConnectionFlags,
  connectionOptions,
  etcdAccessOptions,
  etcdOptions,
  type SetExitCode,
} from '../options.ts';
import {
  maxListLimit,
  nameArgument,
  reasonArgument,
  stateArgument,
  txidArgument,
  wholeNumber,
} from '../parameters.ts';
import type { DecisionContext, EtcdContext } from './at-etcd.ts';
import { etcdSetupCommand } from './etcd-setup-command.ts';
import type { JournalFlags } from './journal.ts';
import type { ListFilter, LocksFilter, Why } from './operator.ts';
import type { AcknowledgeFlags, RetryFlags } from './phase-two.ts';
import { steeringCommands } from './steering-commands.ts';

export function operatorCommands(program: Command, io: Io, setExitCode: SetExitCode): void {
  const withConnection = (command: Command): Command =>
    connectionOptions(command, { defaultMs: 10_000, meaning: 'for the whole command' });

  withConnection(program.command('status'))
    .summary('show a node, the leaders, the participants and the work under way')
    .description(
      'Shows the node that answers, who leads each shard, how many transactions are in which state, and which participants are connected.',
    )
    .addHelpText('after', '\nExample:\n  $ verdict status --url 127.0.0.1:7070 --json')
    .action(async (flags: ConnectionFlags) => {
      const { status } = await import('./status.ts');
      await status({ io, ...flags });
    });

  const tx = program
    .command('tx')
    .summary('show one transaction, or list recent ones')
    .description('Looks at transactions.')
    .addHelpText('after', '\nExamples:\n  $ verdict tx list --attention\n  $ verdict tx show TXID');

  withConnection(tx.command('show'))
    .summary('show one transaction and its branches')
    .description(
      "Shows state, reason and branches of one transaction, from its leader's memory or, if it ended long ago, from the decision log.",
    )
    .argument('<txid>', 'as submit and tx list print it', txidArgument)
    .addHelpText(
      'after',
      '\nExample:\n  $ verdict tx show 0.00010000000000001.000000001.k3v9x0q2m8d5a',
    )
    .action(async (txid: Txid, flags: ConnectionFlags) => {
      const { showTransaction } = await import('./transactions.ts');
      await showTransaction({ io, ...flags }, txid);
    });

  withConnection(tx.command('list'))
    .summary('list the transactions that the leader remembers, newest first')
    .description(
      'Lists transactions under way and recently ended ones, newest first, with the reasons of aborts. Ended ones are kept for a while only; tx show finds older ones.',
    )
    .option('--state <state>', 'only those in this state, such as COMMITTING', stateArgument)
    .option('--attention', 'only those that a participant has not acknowledged for a long time')
    .option('--limit <n>', 'at most this many', wholeNumber({ min: 1, max: maxListLimit }), 50)
    .addHelpText('after', '\nExample:\n  $ verdict tx list --state ABORTED --limit 10')
    .action(async (flags: ConnectionFlags & ListFilter) => {
      const { listTransactions } = await import('./transactions.ts');
      await listTransactions({ io, ...flags }, filterOf(flags));
    });

  withConnection(program.command('config'))
    .summary('show what a node runs with, and who may do what')
    .description(
      'Shows what a node runs with: its options, its cluster, and its access file as it is in force. Files that hold secrets are named, and not shown. After each value it says where that came from: a flag, the environment, the file of --config, the default, or an operator who changed it while the node runs. With --check it looks at a file and asks no node.',
    )
    .option('--node <node>', 'its name; default: the one that answers', nameArgument)
    .option(
      '--check <file>',
      'say whether this access file, or this file for serve --config, is right, and what is wrong with it',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ verdict config --json\n  $ verdict config --check access.json',
    )
    .action(async ({ check, ...flags }: ConnectionFlags & { check?: string; node?: string }) => {
      const { checkFile, showConfig } = await import('./config.ts');
      if (check === undefined) await showConfig({ io, ...flags });
      else await checkFile({ io, ...flags }, check);
    });

  withConnection(program.command('locks'))
    .summary('show named locks, their holders and their waiters')
    .description(
      'Shows every named lock that a transaction holds or waits for, with the holders, the waiters in order, and how long each has held or waited. Locks with the most waiters come first.',
    )
    .option('--group <group>', 'only those of this lock group, of any client', nameArgument)
    .option('--waiting', 'only those with waiters')
    .option('--limit <n>', 'at most this many keys', wholeNumber({ min: 1, max: maxListLimit }), 50)
    .addHelpText('after', '\nExample:\n  $ verdict locks --waiting')
    .action(async (flags: ConnectionFlags & LocksFilter) => {
      const { listLocks } = await import('./locks.ts');
      await listLocks({ io, ...flags }, filterOf(flags));
    });

  withConnection(program.command('resolve'))
    .summary('learn the outcome of a transaction, or force its abort')
    .description(
      'Prints the decision on a transaction. If none is recorded yet, it first forces an abort, which is final. A recorded commit is never undone. Participants do the same by themselves when their patience ends, so this is rarely needed.',
    )
    .argument('<txid>', 'as submit and tx list print it', txidArgument)
    .option('--yes', 'do not ask before an abort is forced')
    .addOption(reasonOption())
    .addHelpText(
      'after',
      '\nExample:\n  $ verdict resolve 0.00010000000000001.000000001.k3v9x0q2m8d5a --yes',
    )
    .action(async (txid: Txid, flags: ConnectionFlags & Why & { readonly yes?: true }) => {
      const { resolveTransaction } = await import('./repair.ts');
      setExitCode(await resolveTransaction({ io, ...flags }, txid));
    });

  withConnection(program.command('recover'))
    .summary('take up recorded decisions that are not acknowledged yet')
    .description(
      'Makes the leader read its decision log and take up each decision that a participant has not acknowledged. A leader does this when it starts; this command does it again.',
    )
    .addOption(reasonOption())
    .addHelpText('after', '\nExample:\n  $ verdict recover')
    .action(async (flags: ConnectionFlags & Why) => {
      const { recover } = await import('./repair.ts');
      await recover({ io, ...flags });
    });

  withConnection(program.command('retry'))
    .summary('send what a branch has not acknowledged once more, now')
    .description(
      'Sends the commit or rollback that a branch has not acknowledged at once, without waiting for its next try or for its turn. Use it when its participant is well again. A participant that is not connected gets it as soon as it is.',
    )
    .argument('[txid]', 'as submit and tx list print it', txidArgument)
    .option('--branch <name>', 'only this branch of the transaction', nameArgument)
    .option('--all', 'with --attention: every transaction that needs attention')
    .option('--attention', 'with --all')
    .option('--yes', 'with --all: do not ask')
    .addOption(reasonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ verdict retry 0.00010000000000001.000000001.k3v9x0q2m8d5a --branch payment\n  $ verdict retry --all --attention --reason "payment is back"',
    )
    .action(async (txid: Txid | undefined, flags: ConnectionFlags & RetryFlags) => {
      const { retry } = await import('./phase-two.ts');
      setExitCode(await retry({ io, ...flags }, txid));
    });

  withConnection(program.command('acknowledge'))
    .summary('state that a branch which will never answer was settled by hand')
    .description(
      'Lets a decided transaction end although one of its branches does not acknowledge: you state that its work was committed, or undone, by hand. The decision is never changed. If the participant comes back with the branch in doubt it still learns the outcome. The reason is kept with the transaction. If the whole instance is lost, use retire.',
    )
    .argument('<txid>', 'as submit and tx list print it', txidArgument)
    .requiredOption('--branch <name>', 'the branch, as tx show names it', nameArgument)
    .requiredOption('--reason <text>', 'why; it is kept with the transaction', reasonArgument)
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      '\nExample:\n  $ verdict acknowledge 0.00010000000000001.000000001.k3v9x0q2m8d5a --branch payment \\\n      --reason "restored from a backup; booked by hand, ticket 4711"',
    )
    .action(async (txid: Txid, flags: ConnectionFlags & AcknowledgeFlags) => {
      const { acknowledge } = await import('./phase-two.ts');
      await acknowledge({ io, ...flags }, txid);
    });

  const retiring = withConnection(program.command('retire'))
    .summary('give up an instance of a participant that will never come back')
    .description(
      "Refuses an instance of a participant at every node from now on, and counts what it has not acknowledged as acknowledged. Use it only if the instance's store is lost: what it held prepared is lost with it. Its siblings finish what it did on a shared resource. If the shared resource itself is lost, name it instead of the instance. This cannot be undone.",
    );
  confirmed(aboutOne(retiring, 'this shared resource is lost'))
    .addHelpText('after', '\nExample:\n  $ verdict retire inventory 8f3k2m9x0a7d1 --yes')
    .action(async (participant: string, instance: string | undefined, flags: RetireFlags) => {
      const either = 'Name either the lost instance or the lost --shared-resource.';
      const retired = claimOf({ ...flags, participant, instance }, either);
      const { retire } = await import('./repair.ts');
      await retire({ io, ...flags }, retired);
    });

  const rebinding = withConnection(program.command('rebind'))
    .summary('give an instance of a participant to another identity')
    .description(
      'An instance of a participant belongs to the identity that was the first to say hello as it, and so does a shared resource. This gives it to another one: after the identity was renamed in the access file, or where the wrong one came first. Stop the process that has it before: its connections are closed.',
    );
  aboutOne(rebinding, 'this shared resource').requiredOption(
    '--identity <name>',
    'whose it is from now on, as in the access file',
    nameArgument,
  );
  confirmed(rebinding)
    .addHelpText(
      'after',
      '\nExample:\n  $ verdict rebind inventory 8f3k2m9x0a7d1 --identity stock-eu --yes',
    )
    .action(async (participant: string, instance: string | undefined, flags: RebindFlags) => {
      const either = 'Name either the instance or the --shared-resource.';
      const claim = claimOf({ ...flags, participant, instance }, either);
      const { rebind } = await import('./repair.ts');
      await rebind({ io, ...flags }, claim, flags.identity);
    });

  const decision = program
    .command('decision')
    .summary('read the decision on a transaction from etcd, without a coordinator')
    .description(
      'Reads the decision on a transaction from the etcd of a cluster. No coordinator is asked, and none need run. Where none is recorded and the leader that could still decide has its lease, the transaction is undecided: ask a node (tx show), for a leader does not record its aborts. If none answers, wait for the lease to run out, or force the abort with --resolve.',
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
      const { showDecision } = await import('./at-etcd.ts');
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
    const { raiseGeneration } = await import('./at-etcd.ts');
    setExitCode(await raiseGeneration({ io, ...flags }));
  });

  steeringCommands(program, io, setExitCode);
  etcdSetupCommand(program, io, setExitCode);

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

/** It is about an instance of a participant, or about the shared resource that is named instead. */
function aboutOne(command: Command, sharedResource: string): Command {
  return command
    .argument('<participant>', 'its name, as status shows it', nameArgument)
    .argument('[instance]', 'the id of the instance, as status shows it', nameArgument)
    .option('--shared-resource <name>', `instead of the instance: ${sharedResource}`, nameArgument);
}

/** It asks first, unless it is told not to; why is for the audit log. */
function confirmed(command: Command): Command {
  return command
    .option('--yes', 'do not ask')
    .option('--force', 'also where nothing of that name is known')
    .addOption(reasonOption());
}

interface Claimed {
  readonly participant: string;
  readonly instance: string | undefined;
  readonly sharedResource?: string;
}

function claimOf({ participant, instance, sharedResource }: Claimed, either: string): Claim {
  if (instance !== undefined && sharedResource === undefined) return { participant, instance };
  if (instance === undefined && sharedResource !== undefined)
    return { participant, sharedResource };
  throw usageError(either);
}

interface RebindFlags extends RetireFlags {
  readonly identity: string;
}

interface RetireFlags extends ConnectionFlags, Why {
  readonly sharedResource?: string;
  readonly yes?: true;
  readonly force?: true;
}

function reasonOption(): Option {
  return new Option('--reason <text>', "why, for the node's audit log").argParser(reasonArgument);
}

/** Without what says how to connect. */
function filterOf<Flags extends ConnectionFlags>(flags: Flags): Omit<Flags, keyof ConnectionFlags> {
  const { url, tokenFile, timeout, json, tlsCa, tlsCert, tlsKey, tlsServerName, ...more } = flags;
  const { tlsNodeNames, ...filter } = more as Flags;
  return filter as Omit<Flags, keyof ConnectionFlags>;
}
