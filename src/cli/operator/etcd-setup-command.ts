/** `verdict etcd-setup` on the command line. */
import type { Command } from 'commander';
import { maxShards } from '../../core/txid.ts';
import type { Io } from '../io.ts';
import { etcdAccessOptions, etcdOptions, type SetExitCode } from '../options.ts';
import { wholeNumber } from '../parameters.ts';
import type { EtcdSetupContext } from './etcd-setup.ts';

export function etcdSetupCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  const setup = program
    .command('etcd-setup')
    .summary("make the cluster's accounts at etcd, each with the rights that it needs")
    .description(
      'Makes a role and a user at etcd for each kind of process: node; participant, which reads what ends a doubt; resolver (with --resolver), a participant that may also abort at etcd; operator, for decision and raise-generation. Rights that a role has beyond these are taken from it. It can be run again at any time, and does what is missing.',
    );
  etcdOptions(setup)
    .option(
      '--shards <n>',
      'for a cluster whose nodes were not started yet: how many they will have',
      wholeNumber({ min: 1, max: maxShards }),
    )
    .option(
      '--password-directory <dir>',
      'passwords are there, as etcd-node and so on; those that are missing are made',
    )
    .option(
      '--certificate <kind=name>',
      'this kind brings a certificate with that common name, and gets no password; can be repeated',
      gathered,
    )
    .option('--resolver', 'also for participants with resolve, which may write decisions')
    .option('--enable-auth', 'let etcd ask for accounts, where it does not yet; makes root')
    .option('--check', 'then try out what each account may do, and what it may not')
    .option('--dry-run', 'only say what would be done')
    .option('--json', 'answer in JSON, for programs');
  etcdAccessOptions(setup)
    .addHelpText(
      'after',
      '\nExample:\n  $ verdict etcd-setup --etcd http://10.0.0.1:2379 --cluster shop --shards 4 \\\n      --password-directory ./etcd-passwords --enable-auth --check',
    )
    .action(async (flags: Omit<EtcdSetupContext, 'io'>) => {
      const { setUpEtcd } = await import('./etcd-setup.ts');
      setExitCode(await setUpEtcd({ io, ...flags }));
    });
}

/** What each says is looked at by the command itself: `--help` has no use for it. */
function gathered(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
