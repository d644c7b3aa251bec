/** `verdict serve` on the command line. */
import { type Command, Option } from 'commander';
import { coordinatorOptionNames, coordinatorOptionTable } from '../core/coordinator-options.ts';
import { day } from '../core/options.ts';
import { maxShards } from '../core/txid.ts';
import {
  minLeaseTtlMs,
  usualLeaseTtlMs,
  usualRequestWindowMs,
  usualShards,
} from '../decision-log/usual.ts';
import { nodeUrl } from '../peer/url.ts';
import { logFormats } from '../ports/logger.ts';
import { usageError } from './command-error.ts';
import type { Sources } from './config-file.ts';
import type { Io } from './io.ts';
import {
  auditDefaults,
  clusterOption,
  etcdAccessOptions,
  insecureOption,
  listenOption,
  logLevelOption,
  refuseOpenDoor,
  type SetExitCode,
  tokenFileOption,
} from './options.ts';
import {
  consoleHost,
  etcdUrls,
  hostName,
  listenAddress,
  metricsAddress,
  nameArgument,
  nodeOption,
  oneUrl,
  wholeNumber,
} from './parameters.ts';
import type { ServeFlags } from './serve.ts';
import { checkServerTls, dialTls, serverTlsOptions } from './tls-options.ts';

/** Keys are kept that long, and records with them. */
const maxRequestWindowMs = day;

export function serveCommand(program: Command, io: Io, setExitCode: SetExitCode): void {
  const command = program
    .command('serve')
    .summary('run a coordinator node, on its own store or in a cluster over etcd')
    .description(
      'Runs a coordinator node. Decisions are kept in the data directory and survive kill -9; start it again with the same directory.',
    )
    .addOption(
      new Option(
        '--config <file>',
        'JSON file of options, by the names of these flags: {"listen": "0.0.0.0:7070", "option": {"drainMs": 5000}}. Flags win over the environment, and that over the file',
      ),
    )
    .option('--data <dir>', 'directory of the decisions', './verdict-data')
    .addOption(listenOption('where to listen; 0.0.0.0 lets other machines in'))
    .addOption(
      new Option('--node <name>', 'name of this node')
        .argParser(nameArgument)
        .default(hostName(), 'the host name'),
    )
    .addOption(
      new Option('--advertise <url>', 'address announced to others, if it differs from --listen')
        .env('VERDICT_ADVERTISE')
        .argParser(oneUrl),
    )
    .addOption(tokenFileOption('file with the token that every peer must present'))
    .addOption(
      new Option(
        '--access-file <file>',
        'JSON file of identities, their credentials and what each may do; read again when it changes',
      ).env('VERDICT_ACCESS_FILE'),
    )
    .option(
      '--node-token-file <file>',
      'with --access-file and without TLS: the token by which this node shows other nodes who it is',
    )
    .addOption(
      new Option(
        '--operator-listen <host:port>',
        'a listener of its own for operators, who may not connect elsewhere then',
      ).argParser(listenAddress),
    )
    .addOption(
      new Option(
        '--metrics-listen <[host:]port>',
        "a listener for /metrics, /healthz and /readyz alone: plain HTTP, without a credential, on 127.0.0.1 unless a host is given. Default: on the node's own port while no credential is needed there, else none",
      )
        .env('VERDICT_METRICS_LISTEN')
        .argParser(metricsAddress),
    )
    .addOption(insecureOption())
    .option('--no-console', 'serve no page for operators at /console')
    .option(
      '--console-host <name>',
      'a further name under which operators open this node in a browser, such as that of a proxy; can be repeated',
      consoleHost,
    )
    .option(
      '--audit-file <file>',
      'where to write who connects and what operators do, as JSON lines; - is stdout',
    )
    .option(
      '--audit-max-bytes <bytes>',
      'size at which the audit file is set aside as .1 and a new one begun; 0: never',
      wholeNumber({ min: 0, max: Number.MAX_SAFE_INTEGER }),
      auditDefaults.maxBytes,
    )
    .option(
      '--audit-files <n>',
      'audit files kept in all, with the one that is written',
      wholeNumber({ min: 2, max: 1_000 }),
      auditDefaults.files,
    )
    .addOption(logLevelOption())
    .addOption(
      new Option(
        '--log-format <format>',
        'format of the log on stderr (default: pretty on a terminal, otherwise json)',
      ).choices(logFormats),
    )
    .addOption(
      new Option('--option <name=value>', 'an option of the node, see below; can be repeated')
        .argParser(nodeOption)
        .default({}, 'none'),
    )
    .addOption(
      new Option(
        '--request-window <ms>',
        `how long a requestId is remembered: fixed when the directory is created; a shorter window weakens "never commits twice" (default: the directory's own, ${usualRequestWindowMs} in a new one)`,
      ).argParser(wholeNumber({ min: 1_000, max: maxRequestWindowMs })),
    )
    .option(
      '--etcd <urls>',
      'etcd of the cluster; separate several addresses with commas. For ranges of shards on several etcd clusters give each as 0-31=urls; can be repeated. Without it the node runs alone on its own store',
      etcdUrls,
    );
  clusterOption(command)
    .option(
      '--shards <n>',
      `with --etcd: number of leaders, 1 to ${maxShards}, fixed by the cluster's first node (default: ${usualShards})`,
      wholeNumber({ min: 1, max: maxShards }),
    )
    .option(
      '--lease-ttl <ms>',
      `with --etcd: how long after a host vanished another node may lead (default: ${usualLeaseTtlMs})`,
      wholeNumber({ min: minLeaseTtlMs, max: 60_000 }),
    )
    .option('--etcd-compact', "compact etcd's history: only for an etcd that nothing else uses");
  // Before all that looks at what is given.
  let sources: Sources | undefined;
  command.hook('preAction', async () => {
    const { configure } = await import('./config-file.ts');
    sources = configure(command, io.env);
  });
  serverTlsOptions(etcdAccessOptions(command))
    .addHelpText('after', ({ error }) => help(command, (error ? io.stderr : io.stdout).columns))
    .action(async (flags: ServeFlags & { tokenFile?: string; insecure?: true }) => {
      const { readToken } = await import('./credential.ts');
      const token = readToken(flags.tokenFile);
      if (token !== null && flags.accessFile !== undefined) throw usageError(tokenAndFile);
      if (flags.nodeTokenFile !== undefined && flags.accessFile === undefined)
        throw usageError('--node-token-file is of use with --access-file alone. Give both.');
      const credential = token ?? flags.accessFile ?? null;
      checkServerTls(flags, credential);
      if (flags.tlsClientCa === undefined) {
        for (const listen of [flags.listen, flags.operatorListen]) {
          if (listen !== undefined) refuseOpenDoor(listen.host, credential, flags.insecure);
        }
      }
      if (flags.tlsCert !== undefined && flags.advertise !== undefined) {
        checkAdvertised(flags.advertise);
      }
      dialTls(flags, []);
      if (flags.etcd === undefined) refuseClusterOptions(command);
      if (flags.auditFile === undefined) refuseAuditOptions(command);
      const { serve } = await import('./serve.ts');
      setExitCode(await serve(io, { ...flags, sources }, { token }));
    });
  variables(command);
}

/** `VERDICT_LISTEN`; `VERDICT_NODE_TLS_CERT`, for commands dial with `VERDICT_TLS_CERT`. */
function variables(command: Command): void {
  for (const option of command.options) {
    const name = (option.long ?? '').slice(2);
    // Of a flag without a value any text would be a yes, `false` too.
    if (option.envVar !== undefined || name === 'option' || option.isBoolean()) continue;
    const words = name.startsWith('tls-') ? `node-${name}` : name;
    option.env(`VERDICT_${words.toUpperCase().replaceAll('-', '_')}`);
  }
}

const tokenAndFile =
  '--token-file gives everyone who has the token all rights, and --access-file gives rights to identities. Give one of them: a token can be the credential of an identity ("tokenFile").';

/** Peers with TLS do not dial an address without it. */
function checkAdvertised(url: string): void {
  try {
    nodeUrl(url, true);
  } catch (error) {
    throw usageError(`--advertise: ${(error as Error).message}`);
  }
}

function sourceOf(command: Command, option: Option): string {
  return command.getOptionValueSource(option.attributeName()) ?? 'default';
}

function givenOptions(command: Command, names: RegExp): (string | undefined)[] {
  return command.options
    .filter((option) => names.test(option.long ?? ''))
    .filter((option) => ['cli', 'env', 'config'].includes(sourceOf(command, option)))
    .map((option) => option.long);
}

/** Whoever gives them believes that an audit log is written. */
function refuseAuditOptions(command: Command): void {
  const [given] = givenOptions(command, /^--audit-/);
  if (given === undefined) return;
  throw usageError(`${given} needs --audit-file, and is of no use without it. Give both.`);
}

/** A node on its own store would drop them: whoever gives them means another one. */
function refuseClusterOptions(command: Command): void {
  const given = givenOptions(command, clusterOptions);
  if (given.length === 0) return;
  const what = given.length === 1 ? 'is' : 'are';
  throw usageError(
    `${given.join(', ')} ${what} for a cluster, and without --etcd the node runs alone on its own store. Add --etcd, or leave ${given.length === 1 ? 'it' : 'them'} out.`,
  );
}

const clusterOptions = /^--(cluster|shards|lease-ttl|etcd-.+)$/;

function help(command: Command, columns = 100): string {
  const indent = '      ';
  const entries = coordinatorOptionNames.map((name) => {
    const { default: value, min, max, meaning, zero } = coordinatorOptionTable[name];
    const zeroText = zero === undefined ? '' : ` 0: ${zero}`;
    const text = `${meaning}${zeroText} (${min} to ${max})`;
    const lines = command.createHelp().boxWrap(text, columns - indent.length);
    return `  ${name}=${value}\n${lines.replaceAll(/^/gm, indent)}`;
  });
  return `
Examples:
  $ verdict serve
  $ verdict serve --data /var/lib/verdict --listen 0.0.0.0:7070 --node a \\
      --advertise a.example:7070 --token-file /etc/verdict/token
  $ verdict serve --etcd http://10.0.0.1:2379,http://10.0.0.2:2379 --cluster shop \\
      --node a --listen 0.0.0.0:7070 --advertise a.example:7070 --token-file /etc/verdict/token
  $ verdict serve --etcd 0-31=10.0.0.1:2379,10.0.0.2:2379 --etcd 32-63=10.0.1.1:2379 \\
      --cluster shop --node a --listen 0.0.0.0:7070 --advertise a.example:7070 \\
      --token-file /etc/verdict/token
  $ verdict serve --listen 0.0.0.0:7070 --advertise a.example:7070 --tls-cert a.crt \\
      --tls-key a.key --tls-client-ca ca.crt
  $ verdict serve --option transactionTimeoutMs=5000 --option attentionAfter=3

Options of the node, with their defaults and bounds (--option name=value):
${entries.join('\n')}`;
}
