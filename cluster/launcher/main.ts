/**
 * `npm run cluster`: three members of etcd, three nodes and the shop on this machine, until Ctrl-C.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { Command, InvalidArgumentError, Option } from 'commander';
import { createColors } from 'picocolors';
import { statusCommand } from '../secure/installation.ts';
import { type Refused, showStrangers } from '../secure/strangers.ts';
import { type EtcdSource, etcdSources } from './etcd.ts';
import { usualPorts } from './ports.ts';
import { Processes } from './processes.ts';
import { readable } from './readable.ts';
import { type RunningCluster, startCluster } from './start.ts';

interface Flags {
  readonly data?: string;
  readonly keep?: boolean;
  readonly nodes: number;
  readonly members: number;
  readonly shards?: number;
  readonly leaseTtl?: number;
  readonly nodePorts?: readonly number[];
  readonly etcdPorts?: readonly number[];
  readonly etcd: EtcdSource;
  readonly shop: boolean;
  readonly secure?: boolean;
  readonly quiet?: boolean;
  readonly anyPorts?: boolean;
}

/** By the convention of shells: 128 and the signal's number. */
const exitCodes: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
const stopTimeoutMs = 15_000;

const help = `
The nodes listen on 7070 to 7072 and etcd on 12379, 22379 and 32379 where these are free, else on other ports, and
on the same ones again where --data names the directory of an earlier run. A process that dies is started again: kill one and look on.
Etcd is the program that VERDICT_ETCD_BIN names, else the one on PATH, else Debian's package unpacked
into .cache without root, else a container.

Examples:
  $ npm run -s cluster
  $ npm run -s cluster -- --data ./cluster-data --node-ports 7071,7072,7073 --quiet
  $ npm run -s cluster -- --shards 4 --no-shop
  $ npm run -s cluster -- --secure --data ./cluster-data`;

function program(): Command {
  return new Command('cluster')
    .description(
      'Runs a whole cluster as processes of this machine: etcd, coordinator nodes, and the five services of the shop. Ctrl-C ends all of it.',
    )
    .option('--data <dir>', 'keep everything there (default: a temporary directory)')
    .option('--keep', 'keep the temporary directory')
    .addOption(
      new Option('--nodes <n>', 'coordinator nodes').argParser(wholeNumber(1, 9)).default(3),
    )
    .addOption(
      new Option('--members <n>', 'members of etcd: 1, 3 or 5').argParser(members).default(3),
    )
    .addOption(
      new Option('--shards <n>', 'leaders at once; fixed by the first start').argParser(
        wholeNumber(1, 100),
      ),
    )
    .addOption(
      new Option(
        '--lease-ttl <ms>',
        'how long after a host has vanished another node may lead (default: 3000)',
      ).argParser(wholeNumber(2_000, 60_000)),
    )
    .addOption(
      new Option('--node-ports <ports>', 'where the nodes listen, by commas').argParser(ports),
    )
    .addOption(new Option('--etcd-ports <ports>', 'where etcd listens, by commas').argParser(ports))
    .addOption(
      new Option('--etcd <source>', 'which etcd to run').choices(etcdSources).default('auto'),
    )
    .option('--any-ports', 'do not look first whether the usual ports are free')
    .option('--no-shop', 'without the shop')
    .option('--secure', 'certificates for everyone, an access file, an audit log, accounts at etcd')
    .option('--quiet', 'print no logs; they are in the directory')
    .addHelpText('after', help)
    .showHelpAfterError('For help: npm run -s cluster -- --help')
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const stopped = new AbortController();
  let exitCode = 0;
  for (const [signal, code] of Object.entries(exitCodes)) {
    process.on(signal, () => {
      // Asked twice: wait for no one any more. The children are killed on the way out.
      if (stopped.signal.aborted) process.exit(code);
      // Ctrl-C is how this is meant to end.
      exitCode = signal === 'SIGINT' ? 0 : code;
      stopped.abort(new Stopped());
    });
  }
  // No one reads any more: no reason to end otherwise than in order.
  process.stderr.on('error', () => undefined);
  const temporary = flags.data === undefined && flags.keep !== true;
  const directory = await dataDirectory(flags.data);
  const processes = new Processes();
  const started = performance.now();
  note(`Starting etcd, the nodes${flags.shop ? ' and the shop' : ''}.`);
  try {
    const cluster = await startCluster({
      processes,
      directory,
      signal: stopped.signal,
      restarts: note,
      show: flags.quiet === true ? undefined : shown,
      usualPorts: flags.anyPorts === true ? undefined : usualPorts,
      etcd: { members: flags.members, ports: flags.etcdPorts, source: flags.etcd },
      nodes: {
        count: flags.nodes,
        ports: flags.nodePorts,
        shards: flags.shards,
        leaseTtlMs: flags.leaseTtl,
      },
      shop: flags.shop,
      secure: flags.secure === true,
    });
    const { security, urls } = cluster;
    const refused = security === null ? [] : await showStrangers(urls, security.certificates);
    const tookMs = performance.now() - started;
    const anyPorts = flags.anyPorts === true || flags.nodePorts !== undefined;
    announce(cluster, { directory, temporary, shop: flags.shop, tookMs, anyPorts, refused });
    await Promise.race([aborted(stopped.signal), cluster.failed]);
  } catch (error) {
    if (!(error instanceof Stopped)) {
      stopped.abort(new Stopped());
      note((error as Error).message);
      exitCode = 1;
    }
  }
  note('Stopping everything.');
  await processes.stopAll(stopTimeoutMs);
  if (temporary && exitCode !== 1) await rm(directory, { recursive: true, force: true });
  else note(`Everything is kept in ${directory}`);
  process.exitCode = exitCode;
}

class Stopped extends Error {
  override readonly name = 'Stopped';
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    if (signal.aborted) reject(signal.reason);
  });
}

async function dataDirectory(given: string | undefined): Promise<string> {
  if (given === undefined) return mkdtemp(join(tmpdir(), 'verdict-cluster-'));
  const directory = resolve(given);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return directory;
}

/** What there is and what to do with it, on stdout: all else is on stderr. */
function announce(
  { etcd, nodes, security, urls }: RunningCluster,
  more: {
    readonly directory: string;
    readonly temporary: boolean;
    readonly shop: boolean;
    readonly tookMs: number;
    readonly anyPorts: boolean;
    readonly refused: readonly Refused[];
  },
): void {
  const { anyPorts, directory, temporary, shop, tookMs, refused } = more;
  const { bold, dim, green } = createColors(colored());
  const scheme = security === null ? 'http' : 'https';
  const status =
    security === null
      ? `npx verdict status --url ${urls.join(',')}`
      : statusCommand(urls, security.certificates);
  const moved = anyPorts
    ? []
    : usualPorts.nodes.filter((port, index) => elsewhere(urls[index], port));
  const lines = [
    '',
    `  ${green(`The cluster is up after ${(tookMs / 1_000).toFixed(1)} s.`)}`,
    '',
    ...nodes.all.map((node, index) => {
      return `  ${node.name.padEnd(8)} ${scheme}://${urls[index]}/readyz  ${dim(`pid ${node.pid}`)}`;
    }),
    ...etcd.members.map((member, index) => {
      return `  ${member.name.padEnd(8)} ${etcd.endpoints[index]}/health  ${dim(`pid ${member.pid}`)}`;
    }),
    ...(moved.length === 0
      ? []
      : [`  ${dim(`${moved.join(' and ')} taken: other ports were chosen`)}`]),
    `  ${dim(`etcd is ${etcd.origin}`)}`,
    `  ${dim(`data and logs are in ${directory}${temporary ? ', removed at the end' : ''}`)}`,
    ...(security === null
      ? []
      : [
          `  ${dim(`certificates and access.json are in ${security.certificates.directory}`)}`,
          ...refused.map(({ who, code }) => `  ${dim(`refused ${who}: ${code}`)}`),
        ]),
    '',
    `  ${bold('Try')}`,
    `    ${status}`,
    ...(shop ? [`    npm run -s shop -- totals --data ${join(directory, 'shop')}`] : []),
    `    kill -9 ${nodes.all[0]?.pid}`,
    '',
    '  Ctrl-C ends everything.',
    '',
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function elsewhere(url: string | undefined, port: number): boolean {
  return url !== undefined && !url.endsWith(`:${port}`);
}

function prefixed(name: string, line: string): void {
  process.stderr.write(`${name.padEnd(8)} | ${line}\n`);
}

function shown(name: string, line: string): void {
  const text = readable(name, line);
  if (text !== null) prefixed(name, text);
}

function note(text: string): void {
  prefixed('cluster', text);
}

function colored(): boolean {
  return process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function members(text: string): number {
  if (['1', '3', '5'].includes(text)) return Number(text);
  throw new InvalidArgumentError('It must be 1, 3 or 5: an even number survives no more failures.');
}

function ports(text: string): readonly number[] {
  const port = wholeNumber(1, 65_535);
  return text.split(',').map(port);
}

try {
  await program().parseAsync();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
