/** Options that several commands have. */
import { isIPv4 } from 'node:net';
import { type Command, Option } from 'commander';
import { day } from '../core/options.ts';
import { logLevels } from '../ports/logger.ts';
import { usageError } from './command-error.ts';
import type { CredentialFlags } from './credential.ts';
import {
  checkEtcdMap,
  defaultUrl,
  etcdUrls,
  listenAddress,
  nameArgument,
  urlList,
  wholeNumber,
} from './parameters.ts';
import { type TlsFlags, tlsOptions } from './tls-options.ts';

/** How a command hands its exit code over; 0 where it never does. */
export type SetExitCode = (exitCode: number) => void;

export interface ConnectionFlags extends TlsFlags, CredentialFlags {
  readonly url: readonly string[];
  readonly timeout: number;
  readonly json?: true;
}

export function connectionOptions(
  command: Command,
  timeout: { readonly defaultMs: number; readonly meaning: string },
): Command {
  command
    .addOption(
      new Option('--url <urls>', 'address of a coordinator node; separate several with commas')
        .env('VERDICT_URL')
        .argParser(urlList)
        .default([defaultUrl], defaultUrl),
    )
    .addOption(tokenFileOption('file with the token, if the coordinator requires one'))
    .addOption(jwtFileOption());
  return tlsOptions(command)
    .option('--timeout <ms>', timeout.meaning, wholeNumber({ min: 1, max: day }), timeout.defaultMs)
    .option('--json', 'answer in JSON, for programs');
}

export function tokenFileOption(meaning: string): Option {
  return new Option('--token-file <file>', meaning).env('VERDICT_TOKEN_FILE');
}

/** `before`: when it counts, for the help. */
export function jwtFileOption(before = ''): Option {
  const meaning = 'file with a JWT, in place of a token; read again for each connection';
  return new Option('--jwt-file <file>', before + meaning).env('VERDICT_JWT_FILE');
}

export interface EtcdFlags {
  readonly etcd: readonly string[];
  readonly cluster: string;
  readonly etcdCa?: string;
  readonly etcdCert?: string;
  readonly etcdKey?: string;
  readonly etcdUser?: string;
  readonly etcdPasswordFile?: string;
}

export function etcdOptions(command: Command): Command {
  return clusterOption(
    command.requiredOption(
      '--etcd <urls>',
      'etcd of the cluster; separate several addresses with commas. Where ranges of shards have etcd clusters of their own, each as 0-31=urls; can be repeated',
      etcdUrls,
    ),
  );
}

export function clusterOption(command: Command): Command {
  return command.option(
    '--cluster <name>',
    'with --etcd: name of the cluster, the prefix of its keys',
    nameArgument,
    'verdict',
  );
}

/** TLS and the account. */
export function etcdAccessOptions(command: Command): Command {
  return command
    .option('--etcd-ca <file>', 'certificate authority of an etcd with TLS')
    .option('--etcd-cert <file>', 'client certificate for etcd')
    .option('--etcd-key <file>', 'key of that certificate')
    .option('--etcd-user <name>', 'user at etcd')
    .option('--etcd-password-file <file>', "file with that user's password")
    .hook('preAction', refuseHalfAccess);
}

/** Each option, and what it is of no use without. */
const needs = [
  ['etcdCert', 'etcdCa'],
  ['etcdCert', 'etcdKey'],
  ['etcdKey', 'etcdCa'],
  ['etcdKey', 'etcdCert'],
  ['etcdPasswordFile', 'etcdUser'],
] as const;

function refuseHalfAccess(command: Command): void {
  const given = command.opts<Partial<EtcdFlags>>();
  if (given.etcd === undefined) return;
  checkEtcdMap(given.etcd, (given as { readonly shards?: number }).shards);
  const half = needs.find(
    ([name, other]) => given[name] !== undefined && given[other] === undefined,
  );
  if (half === undefined) return;
  const [option, other] = half.map((name) => longOf(command, name));
  throw usageError(`${option} needs ${other}, and is of no use without it. Give both.`);
}

function longOf({ options }: Command, name: string): string | undefined {
  return options.find((option) => option.attributeName() === name)?.long;
}

export const auditDefaults: { readonly maxBytes: number; readonly files: number } = {
  maxBytes: 100 * 1_024 * 1_024,
  files: 10,
};

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'lowest level to log')
    .choices(logLevels)
    .default('info');
}

export function listenOption(meaning: string): Option {
  return new Option('--listen <host:port>', meaning)
    .argParser(listenAddress)
    .default(listenAddress(defaultUrl), defaultUrl);
}

export function insecureOption(): Option {
  return new Option(
    '--insecure',
    'let other machines in without a token: any peer that reaches the port may do everything',
  );
}

/** A node that other machines can reach needs a token, or an explicit --insecure. */
export function refuseOpenDoor(host: string, token: string | null, insecure = false): void {
  if (token !== null || insecure || isLoopback(host)) return;
  throw usageError(
    `On ${host} other machines could reach this node, and without a token any of them may do everything. Give a --token-file or a --tls-client-ca, listen on 127.0.0.1, or add --insecure on a network that you trust.`,
  );
}

function isLoopback(host: string): boolean {
  const plain = host.toLowerCase().replace(/^::ffff:/, '');
  return plain === 'localhost' || plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}
