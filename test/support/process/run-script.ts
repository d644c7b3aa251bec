/** A script of the clone as a process of its own, on the Node that runs the tests. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach } from 'vitest';
import { temporaryDirectory } from '../logs/stores.ts';
import { endWithParent } from './end-with-parent.ts';

export interface ScriptProcess {
  readonly pid: number;
  out(): string;
  errors(): string;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<{ readonly exitCode: number | null; readonly out: string }>;
}

const started: ScriptProcess[] = [];

/** After each test: whatever it left running, because it failed or because that was its point. */
export async function endScripts(): Promise<void> {
  for (const script of started.splice(0)) {
    script.kill('SIGTERM');
    await script.ended;
  }
}

/**
 * For a whole file: a directory for each test, which goes with it and with whatever it left
 * running.
 */
export function scriptDirectory(): { readonly path: string } {
  let directory: ReturnType<typeof temporaryDirectory> | null = null;
  beforeEach(() => {
    directory = temporaryDirectory();
  });
  afterEach(async () => {
    await endScripts();
    directory?.remove();
  });
  return {
    get path() {
      if (directory === null) throw new Error('No test runs.');
      return directory.path;
    },
  };
}

/** `path` from the root of the clone. */
export function startScript(
  path: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ScriptProcess {
  const file = fileURLToPath(new URL(`../../../${path}`, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  if (child.pid === undefined) throw new Error(`${path} could not be started.`);
  // It may have children of its own, which it ends in order.
  endWithParent(child, 'SIGTERM');
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const script: ScriptProcess = {
    pid: child.pid,
    out: () => out,
    errors: () => errors,
    kill: (signal) => {
      child.kill(signal);
    },
    ended: once(child, 'close').then(() => ({ exitCode: child.exitCode, out })),
  };
  started.push(script);
  return script;
}

/** Whether a process is there; one that ended and was not waited for counts as gone. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
