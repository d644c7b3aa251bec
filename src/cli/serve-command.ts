/** `verdict serve` on the command line. */

import { type Command, Option } from 'commander';
import {
  type CoordinatorOptions,
  coordinatorOptionNames,
  coordinatorOptionTable,
} from '../core/coordinator-options.ts';
import { day } from '../core/options.ts';
import { maxShards } from '../core/txid.ts';
import type { LogFormat, LogLevel } from '../node/logging.ts';
import { DecisionLogError } from '../ports/decision-log.ts';
import { CommandError } from './command-error.ts';
import type { SetExitCode } from './connection-options.ts';
import {
  clusterOption,
  type EtcdAccessFlags,
  etcdAccessOptions,
  etcdFilesOf,
} from './etcd-options.ts';
import { etcdUrls } from './etcd-urls.ts';
import type { Io } from './io.ts';
import { insecureOption, refuseOpenDoor } from './open-door.ts';
import type { EtcdServeOptions } from './open-log.ts';
import {
  defaultUrl,
  hostName,
  listenAddress,
  nameArgument,
  nodeOption,
  oneUrl,
  readToken,
  wholeNumber,
} from './parameters.ts';
import { packageVersion } from './version.ts';

// Repeated from there, for the module is only loaded with the node.
const logLevels = [
  'debug',
  'info',
  'warn',
  'error',
  'silent',
] as const satisfies readonly LogLevel[];
const logFormats = ['pretty', 'json'] as const satisfies readonly LogFormat[];

/** Keys are kept that long, and records with them. */
const maxRequestWindowMs = day;

interface ServeFlags extends EtcdAccessFlags {
  readonly data: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly node: string;
  readonly advertise?: string;
  readonly tokenFile?: string;
  readonly insecure?: true;
  readonly logLevel: LogLevel;
  readonly logFormat?: LogFormat;
  readonly option: Partial<CoordinatorOptions>;
  readonly requestWindow?: number;
  readonly etcd?: readonly string[];
  readonly shards?: number;
  readonly leaseTtl?: number;
  readonly etcdCompact?: boolean;
}

export function serveCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  const command = program
    .command('serve')
    .summary('run a coordinator node, on its own store or in a cluster over etcd')
    .description(
      'Runs a coordinator node. Decisions are kept in the data directory and survive kill -9; start it again with the same directory.',
    )
    .addOption(new Option('--data <dir>', 'directory of the decisions').default('./verdict-data'))
    .addOption(
      new Option('--listen <host:port>', 'where to listen; 0.0.0.0 lets other machines in')
        .argParser(listenAddress)
        .default(listenAddress(defaultUrl), defaultUrl),
    )
    .addOption(
      new Option('--node <name>', 'name of this node')
        .argParser(nameArgument)
        .default(hostName(), 'the host name'),
    )
    .addOption(
      new Option(
        '--advertise <url>',
        'address announced to others, if it differs from --listen',
      ).argParser(oneUrl),
    )
    .addOption(
      new Option('--token-file <file>', 'file with the token that every peer must present').env(
        'VERDICT_TOKEN_FILE',
      ),
    )
    .addOption(insecureOption())
    .addOption(
      new Option('--log-level <level>', 'lowest level to log').choices(logLevels).default('info'),
    )
    .addOption(
      new Option('--log-format <format>', 'format of the log on stderr')
        .choices(logFormats)
        .default(undefined, 'pretty on a terminal, otherwise json'),
    )
    .addOption(
      new Option('--option <name=value>', 'an option of the node, see below; can be repeated')
        .argParser(nodeOption)
        .default({}, 'none'),
    )
    .addOption(
      new Option(
        '--request-window <ms>',
        'how long a requestId is remembered: fixed when the directory is created; a shorter window weakens "never commits twice"',
      )
        .argParser(wholeNumber({ min: 1_000, max: maxRequestWindowMs }))
        .default(undefined, "the directory's own, 120000 in a new one"),
    )
    .addOption(
      new Option(
        '--etcd <urls>',
        'etcd of the cluster; separate several addresses with commas. Without it the node runs alone on its own store',
      ).argParser(etcdUrls),
    )
    .addOption(clusterOption())
    .addOption(
      new Option(
        '--shards <n>',
        `with --etcd: number of leaders, 1 to ${maxShards}, fixed by the cluster's first node (default: 1)`,
      ).argParser(wholeNumber({ min: 1, max: maxShards })),
    )
    .addOption(
      new Option(
        '--lease-ttl <ms>',
        'with --etcd: how long after a host vanished another node may lead (default: 3000)',
      ).argParser(wholeNumber({ min: 2_000, max: 60_000 })),
    )
    .addOption(
      new Option(
        '--etcd-compact',
        "compact etcd's history: only for an etcd that nothing else uses",
      ),
    );
  etcdAccessOptions(command)
    .addHelpText('after', (context) =>
      help((context.error ? io.stderr.columns : io.stdout.columns) ?? 100),
    )
    .action(async (flags: ServeFlags) => {
      const token = readToken(flags.tokenFile);
      refuseOpenDoor({ listen: flags.listen, token, insecure: flags.insecure === true });
      const { serve } = await import('./serve.ts');
      try {
        const exitCode = await serve({
          data: flags.data,
          ...flags.listen,
          node: flags.node,
          advertise: flags.advertise ?? null,
          token,
          logLevel: flags.logLevel,
          logFormat: flags.logFormat ?? (io.stderr.isTTY === true ? 'pretty' : 'json'),
          version: packageVersion(),
          options: flags.option,
          etcd: etcdOf(flags),
          ...(flags.requestWindow === undefined ? {} : { requestWindowMs: flags.requestWindow }),
        });
        setExitCode(exitCode);
      } catch (error) {
        throw startFailure(error);
      }
    });
}

function etcdOf(flags: ServeFlags): EtcdServeOptions | null {
  if (flags.etcd === undefined) return null;
  return {
    endpoints: flags.etcd,
    cluster: flags.cluster,
    compact: flags.etcdCompact === true,
    ...(flags.shards === undefined ? {} : { shards: flags.shards }),
    ...(flags.leaseTtl === undefined ? {} : { leaseTtlMs: flags.leaseTtl }),
    ...etcdFilesOf(flags),
  };
}

/** What the log or the system refused is told in their words; anything else is a fault of this program. */
export function startFailure(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const refused = error instanceof DecisionLogError || hasCode(error) || hasCode(error.cause);
  if (!refused) return error;
  return new CommandError('INPUT', `The node cannot run. ${error.message}`, { cause: error });
}

/** As the errors of the system do. */
function hasCode(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string';
}

function help(columns: number): string {
  const entries = coordinatorOptionNames.map((name) => {
    const { default: value, min, max, meaning, zero } = coordinatorOptionTable[name];
    const zeroText = zero === null ? '' : ` 0: ${zero}`;
    return `  ${name}=${value}\n${wrapped(`${meaning}${zeroText} (${min} to ${max})`, columns, '      ')}`;
  });
  return `
Examples:
  $ verdict serve
  $ verdict serve --data /var/lib/verdict --listen 0.0.0.0:7070 --node a \\
      --advertise a.example:7070 --token-file /etc/verdict/token
  $ verdict serve --etcd http://10.0.0.1:2379,http://10.0.0.2:2379 --cluster shop \\
      --node a --listen 0.0.0.0:7070 --advertise a.example:7070 --token-file /etc/verdict/token
  $ verdict serve --option transactionTimeoutMs=5000 --option attentionAfter=3

Options of the node, with their defaults and bounds (--option name=value):
${entries.join('\n')}`;
}

function wrapped(text: string, columns: number, indent: string): string {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(' ')) {
    if (line.length + word.length + 1 > columns && line !== indent) {
      lines.push(line);
      line = indent;
    }
    line += line === indent ? word : ` ${word}`;
  }
  return [...lines, line].join('\n');
}
