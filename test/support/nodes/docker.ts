/** The Docker of this machine, for tests that need one. Without it they skip, and say so. */
import { execFile, spawnSync } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { beforeEach } from 'vitest';

const probeTimeoutMs = 20_000;
const commandTimeoutMs = 600_000;
const execute = promisify(execFile);

/** Null where Docker and Compose answer, else why the tests cannot run. */
export function dockerMissing(): string | null {
  for (const args of [
    ['version', '--format', '{{.Server.Version}}'],
    ['compose', 'version', '--short'],
  ]) {
    const { error, status, stderr } = spawnSync('docker', args, {
      encoding: 'utf8',
      timeout: probeTimeoutMs,
    });
    if (error === undefined && status === 0) continue;
    const why = error?.message ?? stderr.trim().split('\n').at(-1);
    return `there is no Docker with Compose here (docker ${args[0]}: ${why})`;
  }
  return null;
}

/** At the head of a suite. The reporter names every test that was skipped, with the reason. */
export function skipWithout(missing: string | null): void {
  if (missing === null) return;
  console.warn(`SKIPPED: ${missing}`);
  beforeEach((context) => context.skip(missing));
}

/** Its standard output; throws with what it said where it fails. */
export async function docker(
  args: readonly string[],
  more: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  try {
    const { stdout } = await execute('docker', [...args], {
      ...more,
      env: { ...process.env, ...more.env },
      timeout: commandTimeoutMs,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    const { message, stderr = '' } = error as Error & { readonly stderr?: string };
    throw new Error(`${message}\n${stderr.split('\n').slice(-40).join('\n')}`, { cause: error });
  }
}
