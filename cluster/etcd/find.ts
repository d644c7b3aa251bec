/**
 * Finds an etcd to run: the one that VERDICT_ETCD_BIN names, else the one on PATH, else Debian's package
 * unpacked into a cache of the clone. The last needs no root: apt and dpkg work as any user when
 * their lists and caches are folders of one's own.
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
} from 'node:fs';
import { userInfo } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

export interface EtcdPrograms {
  readonly etcd: string;
  /** For snapshots. Null where there is none beside etcd or on PATH. */
  readonly etcdctl: string | null;
}

export type FoundEtcd =
  | { readonly found: EtcdPrograms }
  /** What was tried, for a person. */
  | { readonly missing: string };

const cacheDefault: string = fileURLToPath(new URL('../../.cache/etcd', import.meta.url));
const commandTimeoutMs = 5 * 60_000;

/** Where to look first; null: only where every machine looks. */
export async function findEtcd(
  named: string | null = process.env['VERDICT_ETCD_BIN'] || null,
): Promise<FoundEtcd> {
  if (named !== null) {
    const etcd = resolve(named);
    if (isProgram(etcd)) return { found: withControl(etcd) };
    return { missing: `VERDICT_ETCD_BIN names ${etcd}, which is no program.` };
  }
  const onPath = fromPath('etcd');
  if (onPath !== null) return { found: withControl(onPath) };
  const unpacked = join(cacheDefault, 'usr', 'bin', 'etcd');
  if (!isProgram(unpacked)) {
    const problem = await unpackDebian(cacheDefault);
    if (problem !== null) {
      return {
        missing: `VERDICT_ETCD_BIN is not set, there is no etcd on PATH, and Debian's package could not be unpacked: ${problem}`,
      };
    }
  }
  return { found: withControl(unpacked) };
}

function withControl(etcd: string): EtcdPrograms {
  const beside = join(dirname(etcd), 'etcdctl');
  return { etcd, etcdctl: isProgram(beside) ? beside : fromPath('etcdctl') };
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function fromPath(program: string): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).find(isProgram) ?? null;
}

/** Null when it is there, else why not. */
async function unpackDebian(cache: string): Promise<string | null> {
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
    ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
    await run('apt-get', [...own, '-qq', 'update'], work);
    await run(
      'apt-get',
      [...own, '-qq', 'download', 'etcd-server', 'etcd-client'],
      join(work, 'debs'),
    );
    await run('sh', ['-ec', 'for deb in debs/*.deb; do dpkg-deb -x "$deb" tree; done'], work);
    const tree = join(work, 'tree');
    if (!isProgram(join(tree, 'usr', 'bin', 'etcd'))) return 'the package holds no etcd.';
    if (existsSync(cache)) rmSync(cache, { recursive: true, force: true });
    renameSync(tree, cache);
    return null;
  } catch (error) {
    // The other process was first.
    if (isProgram(join(cache, 'usr', 'bin', 'etcd'))) return null;
    return error instanceof Error ? error.message : String(error);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function run(command: string, args: readonly string[], cwd: string): Promise<void> {
  return new Promise((done, fail) => {
    const options = { cwd, timeout: commandTimeoutMs, maxBuffer: 16 * 1024 * 1024 };
    execFile(command, [...args], options, (error, _stdout, stderr) => {
      if (error === null) done();
      else fail(new Error(`${command}: ${stderr.trim().split('\n').at(-1) || error.message}`));
    });
  });
}
