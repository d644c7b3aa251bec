/** `npm run demo`: everything at once, on this machine, and whether it adds up. */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { Command, InvalidArgumentError, Option } from 'commander';
import { Processes } from '../launcher/processes.ts';
import { startAgain } from './databases.ts';
import { readFacts } from './internals/facts.ts';
import { layoutOf } from './layout.ts';
import { maxOrderCount, orderCountMin } from './orders.ts';
import { createProgress } from './progress.ts';
import { reconcile } from './reconcile.ts';
import { runDemo } from './run.ts';
import { checkLines, summarize, summaryLines } from './summary.ts';

interface Flags {
  readonly orders: number;
  readonly concurrency: number;
  readonly cluster?: boolean;
  readonly secure?: boolean;
  readonly databases?: boolean;
  readonly data?: string;
  readonly json?: boolean;
}

/** npm passes on what the terminal has sent to everyone: that is one Ctrl-C, not two. */
const sameSignalMs = 1_000;

/** By the convention of shells: 128 and the signal's number. */
const exitCodes: Readonly<Record<string, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

function program(): Command {
  const command = new Command('demo')
    .description(
      'Starts a coordinator node and five services, submits orders of which some must fail, kills the node with -9 half-way and starts it again; then compares the five stores with each other and with the decision log.',
    )
    .addOption(
      new Option('--orders <n>', 'how many orders')
        .argParser(wholeNumber(orderCountMin, maxOrderCount))
        .default(1_000),
    )
    .addOption(
      new Option('--concurrency <n>', 'orders in flight at once')
        // More, and two orders of one customer could meet: see orders.ts.
        .argParser(wholeNumber(1, 256))
        .default(64),
    )
    .option('--cluster', 'three nodes over three members of etcd; the leader is killed three times')
    .option(
      '--secure',
      'with --cluster: certificates, an access file and an audit log; strangers are refused',
    )
    .option(
      '--databases',
      'inventory and payment on PostgreSQL, order on MariaDB where there is one; both are started for it',
    )
    .option('--data <dir>', 'an empty directory to keep everything in (default: a temporary one)')
    .option('--json', 'print the summary as JSON, and nothing else')
    .addHelpText(
      'after',
      '\nExits with 0 exactly if everything adds up; otherwise it says what does not, and keeps the data.',
    )
    .enablePositionalOptions()
    .showHelpAfterError('For help: npm run demo -- --help')
    .action(demo);
  command
    .command('check')
    .description('reconcile once more what an earlier run kept')
    .argument('<dir>', 'the directory of that run')
    .option('--json', 'print the checks as JSON')
    .action(check);
  return command;
}

async function check(directory: string, flags: { readonly json?: boolean }): Promise<void> {
  const layout = layoutOf(resolve(directory));
  const processes = new Processes();
  const databases = await startAgain(layout, processes);
  const checks = reconcile(await readFacts(layout));
  await databases.stop();
  print(flags.json === true ? [JSON.stringify({ checks })] : checkLines(checks, colored()));
  process.exitCode = checks.every(({ ok }) => ok) ? 0 : 1;
}

async function demo(flags: Flags): Promise<void> {
  if (flags.secure === true && flags.cluster !== true) {
    throw new Error('--secure is for a cluster. Add --cluster.');
  }
  const startedAtMs = performance.now();
  const kept = flags.data !== undefined;
  const directory = await dataDirectory(flags.data);
  const interrupted = new AbortController();
  let interruptedAtMs = 0;
  for (const signal of Object.keys(exitCodes)) {
    process.on(signal, () => {
      if (!interrupted.signal.aborted) {
        interruptedAtMs = performance.now();
        // However it ends from here on. Behind what kills the children, who would write there.
        if (!kept) process.once('exit', () => removeNow(directory));
        interrupted.abort(new Interrupted(signal));
      } else if (performance.now() - interruptedAtMs > sameSignalMs) {
        // Asked twice: wait for no one any more. The children are killed on the way out.
        process.exit(exitCodes[signal]);
      }
    });
  }
  // A terminal that was closed takes no text, and that must not keep this from its end.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', () => interrupted.abort(new Interrupted('SIGHUP')));
  }
  const progress = createProgress({ orderCount: flags.orders, quiet: flags.json === true });
  try {
    const run = await runDemo({
      orderCount: flags.orders,
      concurrency: flags.concurrency,
      cluster: flags.cluster === true,
      secure: flags.secure === true,
      databases: flags.databases === true,
      layout: layoutOf(directory),
      signal: interrupted.signal,
      progress,
    });
    progress.end();
    const totalMs = performance.now() - startedAtMs;
    const checked = summarize(run, { totalMs, directory });
    const remove = checked.ok && !kept;
    if (remove) await rm(directory, { recursive: true, force: true });
    const summary = { ...checked, directory: remove ? null : directory };
    const lines =
      flags.json === true ? [JSON.stringify(summary)] : summaryLines(summary, colored());
    print(lines);
    process.exitCode = summary.ok ? 0 : 1;
  } catch (error) {
    progress.end();
    // What is interrupted fails in its own words.
    const { aborted, reason } = interrupted.signal;
    await ended(aborted ? reason : error, kept ? null : directory);
  }
}

/** Of processes killed a moment ago some may still be writing. */
function removeNow(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
}

async function ended(error: unknown, temporary: string | null): Promise<void> {
  if (error instanceof Interrupted) {
    if (temporary !== null) removeNow(temporary);
    process.stderr.write(`Interrupted (${error.signal}): everything was stopped.\n`);
    process.exitCode = exitCodes[error.signal] ?? 1;
    return;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const where =
    temporary === null
      ? ''
      : `\nIts logs and data are kept in ${temporary}: remove them with rm -r`;
  process.stderr.write(`The demo failed: ${text}${where}\n`);
  process.exitCode = 1;
}

class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: string;

  constructor(signal: string) {
    super(`Interrupted by ${signal}.`);
    this.signal = signal;
  }
}

async function dataDirectory(given: string | undefined): Promise<string> {
  if (given === undefined) return mkdtemp(join(tmpdir(), 'verdict-demo-'));
  const directory = resolve(given);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  if ((await readdir(directory)).length > 0) {
    throw new Error(
      `The directory ${directory} is not empty, and orders of an earlier run would not add up. Name an empty one.`,
    );
  }
  return directory;
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

function colored(): boolean {
  return process.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
}

if (process.platform === 'win32') {
  process.stderr.write('The demo runs on Linux and macOS. On Windows use WSL.\n');
  process.exitCode = 1;
} else {
  try {
    await program().parseAsync();
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
