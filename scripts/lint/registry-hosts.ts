/**
 * The lock file and the whole tree stay free of package registries' host names: everyone installs
 * from the registry that their own npm is configured for (.npmrc omits `resolved`).
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Built from parts, for otherwise this file would be the first to be found. */
const hosts = new RegExp(
  [
    ['npm', 'js\\.(?:org|com)'],
    ['npm', 'mirror\\.com'],
    ['yarn', 'pkg\\.com'],
    ['deb', 'ian\\.org'],
  ]
    .map((parts) => parts.join(''))
    .join('|'),
  'i',
);

/** One line for each place below `root` that names a registry, tracked by git or about to be. */
export function findRegistryHosts(root: string): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: 30_000,
  });
  const found: string[] = [];
  for (const file of new Set(listed.split('\0'))) {
    const path = join(root, file);
    // A deleted file is still listed until the deletion is committed.
    if (file === '' || statSync(path, { throwIfNoEntry: false })?.isFile() !== true) continue;
    for (const [index, line] of readFileSync(path, 'latin1').split('\n').entries()) {
      if (hosts.test(line)) found.push(`${file}:${index + 1} Names a package registry's host.`);
    }
  }
  return found;
}

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

/** What is wrong with the lock file: an address in it, or a package without version or checksum. */
export function checkLockFile(root: string): string[] {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, LockedPackage>>;
  };
  const found: string[] = [];
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '' || entry.link === true) continue;
    if (entry.resolved !== undefined) {
      found.push(`package-lock.json: ${path} has an address ("resolved"). Run npm install again.`);
    }
    if (entry.version === undefined || entry.integrity === undefined) {
      found.push(`package-lock.json: ${path} lacks its version or checksum.`);
    }
  }
  return found;
}

if (import.meta.main) {
  const found = [...findRegistryHosts(process.cwd()), ...checkLockFile(process.cwd())];
  for (const line of found) console.error(line);
  if (found.length > 0) process.exitCode = 1;
}
