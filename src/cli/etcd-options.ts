/** How a command is told to reach a cluster's etcd. */
import { type Command, Option } from 'commander';
import type { EtcdServeOptions } from './open-log.ts';
import { nameArgument } from './parameters.ts';

export interface EtcdAccessFlags {
  readonly cluster: string;
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
}

export type EtcdFiles = Pick<
  EtcdServeOptions,
  'caFile' | 'certFile' | 'keyFile' | 'username' | 'passwordFile'
>;

export function clusterOption(): Option {
  return new Option('--cluster <name>', 'with --etcd: name of the cluster, the prefix of its keys')
    .argParser(nameArgument)
    .default('verdict');
}

/** TLS and the account. */
export function etcdAccessOptions(command: Command): Command {
  return command
    .addOption(new Option('--etcd-ca <file>', 'certificate authority of an etcd with TLS'))
    .addOption(new Option('--etcd-cert <file>', 'client certificate for etcd'))
    .addOption(new Option('--etcd-key <file>', 'key of that certificate'))
    .addOption(new Option('--etcd-user <name>', 'user at etcd'))
    .addOption(new Option('--etcd-password-file <file>', "file with that user's password"));
}

export function etcdFilesOf(flags: EtcdAccessFlags): EtcdFiles {
  return {
    ...(flags.etcdCa === undefined ? {} : { caFile: flags.etcdCa }),
    ...(flags.etcdCert === undefined ? {} : { certFile: flags.etcdCert }),
    ...(flags.etcdKey === undefined ? {} : { keyFile: flags.etcdKey }),
    ...(flags.etcdUser === undefined ? {} : { username: flags.etcdUser }),
    ...(flags.etcdPasswordFile === undefined ? {} : { passwordFile: flags.etcdPasswordFile }),
  };
}
