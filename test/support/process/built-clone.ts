/**
 * The clone as it is, built by `npm pack` in a copy: other tests run what lies in the clone's own
 * `dist` meanwhile. Once for the same files, in `.cache`.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { lockDirectory } from '../../../src/store/directory-lock.ts';
import { DirectoryLockedError } from '../../../src/store/directory-locked.ts';
import { ownerFile } from '../../../src/store/owner-note.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { eventually } from './child.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const cache = join(root, '.cache', 'built');
const buildTimeoutMs = 240_000;
/** What it is built of, and what is packed. */
const parts = [
  ...['bin', 'docs', 'examples', 'scripts', 'src'],
  ...['package.json', 'package-lock.json', '.npmrc'],
  ...['tsconfig.json', 'tsconfig.build.json', 'tsconfig.commonjs.json'],
  ...['README.md', 'CHANGELOG.md', 'LICENSE'],
];

/** What examples that run leave in their directories. */
const left = /^examples\/(.*\/)?(dist|generated|node_modules)(\/|$)/;

export interface BuiltClone {
  /** Its root, as the clone's, `dist` included. */
  readonly path: string;
  /** What `npm pack` made of it. */
  readonly tarball: string;
}

export async function builtClone(): Promise<BuiltClone> {
  const path = join(cache, hashOf(parts));
  using _alone = await lockedCache();
  if (!existsSync(path)) {
    for (const name of readdirSync(cache)) {
      if (name !== ownerFile) rmSync(join(cache, name), { recursive: true, force: true });
    }
    const made = mkdtempSync(join(cache, 'new-'));
    for (const name of parts) {
      const filter = (file: string): boolean => !left.test(relative(root, file));
      cpSync(join(root, name), join(made, name), { recursive: true, filter });
    }
    symlinkSync('../../../node_modules', join(made, 'node_modules'));
    await promisify(execFile)('npm', ['pack'], { cwd: made, timeout: buildTimeoutMs });
    renameSync(made, path);
  }
  const tarball = readdirSync(path).find(isPackage);
  if (tarball === undefined) throw new Error(`npm pack left no package in ${path}.`);
  return { path, tarball: join(path, tarball) };
}

/** Another test may be building: it is waited for. */
function lockedCache(): Promise<Disposable> {
  return eventually(
    () => {
      try {
        const lock = lockDirectory({ directory: cache, purpose: 'build', clock: systemClock });
        return { [Symbol.dispose]: () => lock.release() };
      } catch (error) {
        if (error instanceof DirectoryLockedError) return null;
        throw error;
      }
    },
    () => `the build in ${cache}`,
    buildTimeoutMs,
  );
}

function isPackage(name: string): boolean {
  return name.endsWith('.tgz');
}

function hashOf(names: readonly string[]): string {
  const hash = createHash('sha256').update(process.version);
  for (const name of names) {
    for (const file of filesIn(name)) {
      hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** From the root. */
function filesIn(name: string): readonly string[] {
  if (!statSync(join(root, name)).isDirectory()) return [name];
  return readdirSync(join(root, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name: file }) => relative(root, join(parentPath, file)))
    .filter((file) => !left.test(file))
    .sort();
}
