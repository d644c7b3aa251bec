/**
 * Helm, and a program that checks what it renders, as cluster/helm/check names them: built by Go
 * from their own modules. The first build takes minutes; Go keeps what it compiled.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const module = fileURLToPath(new URL('check', import.meta.url));
const target = fileURLToPath(new URL('../../.cache/chart', import.meta.url));
const packages = ['.', 'helm.sh/helm/v4/cmd/helm'];
const buildTimeoutMs = 40 * 60_000;

export interface ChartPrograms {
  readonly helm: string;
  /** Reads manifests, and ends with 1 where Kubernetes would refuse one. */
  readonly check: string;
}

export type FoundChartPrograms =
  | { readonly found: ChartPrograms }
  /** What was tried, for a person. */
  | { readonly missing: string };

/** Throws where the modules can be had and do not compile. */
export async function chartPrograms(): Promise<FoundChartPrograms> {
  try {
    await go(['version']);
  } catch (error) {
    return { missing: `there is no Go here (${lastLine(error)})` };
  }
  try {
    // Fetches them.
    await go(['list', '-deps', '-f', '{{if .Error}}{{.Error}}{{end}}', ...packages]);
  } catch (error) {
    return { missing: `Go cannot fetch the modules of cluster/helm/check: ${lastLine(error)}` };
  }
  await go(['build', '-trimpath', '-ldflags=-s -w', '-o', `${target}/`, ...packages]);
  return { found: { helm: join(target, 'helm'), check: join(target, 'chart-check') } };
}

function go(args: readonly string[]): Promise<unknown> {
  return execute('go', [...args], {
    cwd: module,
    timeout: buildTimeoutMs,
    maxBuffer: 64 * 1024 * 1024,
    // Not another Go than the one that is here.
    env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-buildvcs=false' },
  });
}

function lastLine(error: unknown): string {
  const { message, stderr = '' } = error as Error & { readonly stderr?: string };
  return stderr.trim().split('\n').at(-1) || message;
}
