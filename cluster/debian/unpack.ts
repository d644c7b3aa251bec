/**
 * Programs from Debian's packages without root: apt and dpkg work as any user when their lists and
 * caches are folders of one's own.
 */
import { execFile } from 'node:child_process';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';

const commandTimeoutMs = 5 * 60_000;

export interface DebianPackages {
  /** The folder that their tree becomes. */
  readonly cache: string;
  readonly packages: readonly string[];
  /** What they need, too, and this system does not have. Default: the packages alone. */
  readonly withDependencies?: boolean;
  /** What must be among it, from the root of the tree. */
  readonly program: string;
  /** Another suite than this system's, at the place that it takes its own from. */
  readonly suite?: string;
}

/** Null when it is there, else why not. */
export async function unpackDebian(options: DebianPackages): Promise<string | null> {
  const { cache, packages, program, suite, withDependencies = false } = options;
  mkdirSync(dirname(cache), { recursive: true });
  // Made aside and moved into place whole: two processes may do this at once.
  const work = mkdtempSync(`${cache}-`);
  try {
    for (const folder of ['lists/partial', 'archives/partial', 'debs', 'tree']) {
      mkdirSync(join(work, folder), { recursive: true });
    }
    const own = [
      ['Dir::State::Lists', join(work, 'lists')],
      ['Dir::Cache', work],
      ['Dir::Cache::archives', join(work, 'archives')],
      ['Debug::NoLocking', '1'],
      ['APT::Sandbox::User', userInfo().username],
      ...(suite === undefined ? [] : await sourcesOf(suite, work)),
    ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    await run('apt-get', [...own, '-qq', 'update'], work);
    const debs = withDependencies ? 'archives' : 'debs';
    const all = ['--no-install-recommends', '-y', '--download-only', 'install'];
    const get = withDependencies ? all : ['download'];
    await run('apt-get', [...own, '-qq', ...get, ...packages], join(work, debs));
    await run('sh', ['-ec', 'for deb in "$0"/*.deb; do dpkg-deb -x "$deb" tree; done', debs], work);
    const tree = join(work, 'tree');
    if (!isProgram(join(tree, program))) return `there is no ${program} in ${packages.join(', ')}.`;
    if (existsSync(cache)) rmSync(cache, { recursive: true, force: true });
    renameSync(tree, cache);
    return null;
  } catch (error) {
    // The other process was first.
    if (isProgram(join(cache, program))) return null;
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Its own list, and none of the system's. */
async function sourcesOf(suite: string, work: string): Promise<string[][]> {
  const targets = await run('apt-get', ['indextargets', '--format', '$(REPO_URI)'], work);
  const place = targets.split('\n').find((uri) => uri !== '' && !uri.includes('security'));
  if (place === undefined) throw new Error('apt has no sources on this system.');
  const list = join(work, 'sources.list');
  writeFileSync(list, `deb ${place} ${suite} main\n`);
  return [
    ['Dir::Etc::SourceList', list],
    ['Dir::Etc::SourceParts', '-'],
  ];
}

function run(command: string, args: readonly string[], cwd: string): Promise<string> {
  return new Promise((done, fail) => {
    const options = { cwd, timeout: commandTimeoutMs, maxBuffer: 16 * 1024 * 1024 };
    execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error === null) done(stdout);
      else fail(new Error(`${command}: ${stderr.trim().split('\n').at(-1) || error.message}`));
    });
  });
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
