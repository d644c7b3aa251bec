/**
 * Bun and Deno as programs: from npm, once for a clone. Not development dependencies: they are 100
 * MB each, and one test runs them.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const timeoutMs = 150_000;

export interface Runtime {
  readonly name: 'Node' | 'Bun' | 'Deno';
  /** What runs the file whose path follows. */
  readonly command: readonly string[];
}

interface Pinned {
  readonly name: 'Bun' | 'Deno';
  readonly package: string;
  readonly version: string;
  readonly integrity: string;
  readonly program: string;
  readonly args: readonly string[];
}

const pinned: readonly Pinned[] = [
  {
    name: 'Bun',
    package: '@oven/bun-linux-x64',
    version: '1.4.5',
    integrity:
      'sha512-IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==',
    program: 'bin/bun',
    args: [],
  },
  {
    name: 'Deno',
    package: '@deno/linux-x64-glibc',
    version: '2.9.6',
    integrity:
      'sha512-3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==',
    program: 'deno',
    args: ['run', '--allow-all'],
  },
];

export const thisNode: Runtime = { name: 'Node', command: [process.execPath] };

/** Those that can be had here. Others are said; with CI set that is a failure. */
export async function otherRuntimes(): Promise<readonly Runtime[]> {
  const found: Runtime[] = [];
  for (const each of pinned) {
    try {
      found.push({ name: each.name, command: [await fetched(each), ...each.args] });
    } catch (error) {
      if (process.env['CI'] !== undefined) throw error;
      console.warn(`SKIPPED: ${each.name} ${each.version} cannot be had from npm: ${error}`);
    }
  }
  return found;
}

async function fetched(each: Pinned): Promise<string> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(`it is fetched for Linux on x64, and this is ${process.platform}`);
  }
  const directory = join(root, '.cache', 'runtimes', `${each.name.toLowerCase()}-${each.version}`);
  const program = join(directory, 'node_modules', each.package, each.program);
  if (existsSync(program)) return program;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'package.json'), '{"private":true}');
  const flags = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts'];
  await promisify(execFile)('npm', ['install', ...flags, `${each.package}@${each.version}`], {
    cwd: directory,
    timeout: timeoutMs,
  });
  const { packages } = JSON.parse(
    readFileSync(join(directory, 'node_modules/.package-lock.json'), 'utf8'),
  ) as { packages: Record<string, { integrity: string }> };
  const { integrity } = packages[`node_modules/${each.package}`] ?? {};
  if (integrity === each.integrity) return program;
  rmSync(directory, { recursive: true });
  throw new Error(
    `npm installed ${each.package} with the checksum ${integrity}, and not the pinned`,
  );
}
