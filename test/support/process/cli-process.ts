/** The `verdict` command as a process of its own, as a user runs it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { endWithParent } from './end-with-parent.ts';
import { patienceMs } from './slowness.ts';

const command = fileURLToPath(new URL('../../../bin/verdict.mjs', import.meta.url));

export interface Ended {
  /** 128 + the signal's number is not made up here: null where a signal ended it. */
  readonly exitCode: number | null;
  readonly out: string;
  readonly errors: string;
}

export interface CliProcess {
  readonly process: ChildProcess;
  out(): string;
  errors(): string;
  readonly ended: Promise<Ended>;
}

export function startCli(
  argv: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>> } = {},
): CliProcess {
  const child = spawn(process.execPath, [command, ...argv], {
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  endWithParent(child);
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  // A command that ends without reading its input.
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'close').then(() => ({ exitCode: child.exitCode, out, errors }));
  return { process: child, out: () => out, errors: () => errors, ended };
}

/** Runs to the end; `input` is all that stdin brings. */
export function runCli(argv: readonly string[], input = ''): Promise<Ended> {
  const cli = startCli(argv);
  cli.process.stdin?.end(input);
  return cli.ended;
}

export async function until(
  what: string,
  condition: () => boolean,
  timeoutMs: number = patienceMs,
): Promise<void> {
  const giveUpAtMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > giveUpAtMs) throw new Error(`It did not come to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
