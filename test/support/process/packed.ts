/**
 * The package as `npm pack` makes it, in a project of its own: unpacked beside the dependencies
 * that it names, and nothing else. The dependencies are those of the clone, by links: what is tried
 * is the package and not the registry.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { builtClone } from './built-clone.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);

/** `ownTools`: packages of the clone that the project brings along itself. */
export async function packedInto(project: string, ownTools: readonly string[]): Promise<void> {
  const modules = join(project, 'node_modules');
  await mkdir(modules, { recursive: true });
  const { tarball } = await builtClone();
  await run('tar', ['-xzf', tarball, '-C', modules]);
  await rename(join(modules, 'package'), join(modules, 'verdict'));
  installed(modules, ownTools);
}

/** What the package depends on, and `packages`, as links. */
export function installed(modules: string, packages: readonly string[]): void {
  for (const name of [...productionDependencies(), ...packages]) link(modules, name);
}

/** Where npm puts what an installation without development's dependencies has, at the top level. */
function productionDependencies(): string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; devOptional?: boolean; peer?: boolean }>;
  };
  return Object.entries(lock.packages)
    .filter(([path, { dev, devOptional, peer }]) => path !== '' && !dev && !devOptional && !peer)
    .map(([path]) => path.slice('node_modules/'.length))
    .filter((name) => !name.includes('node_modules/'));
}

function link(modules: string, name: string): void {
  const from = join(root, 'node_modules', name);
  const to = join(modules, name);
  // Of another platform, or there already with its scope.
  if (!existsSync(from) || existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  symlinkSync(from, to);
}
