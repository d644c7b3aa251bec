/**
 * Finds a MariaDB to run: the one that VERDICT_MARIADBD_BIN names, else the one on PATH or where
 * Debian puts it, else Debian's package unpacked into a cache.
 *
 * The cache is a folder of temporary files, not the clone's: the server runs as another user than
 * root, who may not be able to read the clone.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { isProgram, unpackDebian } from '../debian/unpack.ts';
import type { RunAs } from './run-as.ts';

export interface MariadbProgram {
  readonly mariadbd: string;
  /** Its messages, its character sets, and the tables that it begins with. */
  readonly share: string;
  /** Where its libraries are, when they are not the system's. */
  readonly env: Readonly<Record<string, string>>;
}

export type FoundMariadb =
  | { readonly found: MariadbProgram }
  /** What was tried, for a person. */
  | { readonly missing: string };

/** The server, and the libraries that not every system has. */
const packages = ['mariadb-server-core', 'libaio1', 'liburing2'];
const systemTables = 'mysql_system_tables.sql';

export async function findMariadb(user: RunAs | null): Promise<FoundMariadb> {
  const named = process.env['VERDICT_MARIADBD_BIN'] || null;
  if (named !== null) {
    const mariadbd = resolve(named);
    const found = isProgram(mariadbd) ? programAt(mariadbd) : null;
    if (found !== null && runs(found, user)) return { found };
    return { missing: `VERDICT_MARIADBD_BIN names ${mariadbd}, which is no MariaDB that runs.` };
  }
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin'];
  for (const folder of folders.filter((each) => each !== '')) {
    const mariadbd = join(folder, 'mariadbd');
    const found = isProgram(mariadbd) ? programAt(mariadbd) : null;
    if (found !== null && runs(found, user)) return { found };
  }
  return unpacked(user);
}

async function unpacked(user: RunAs | null): Promise<FoundMariadb> {
  const cache = join(tmpdir(), `verdict-mariadb-${process.getuid?.() ?? 0}`);
  const nowhere = 'VERDICT_MARIADBD_BIN is not set, there is no mariadbd on PATH, and';
  // Everybody may write to the folder of temporary files.
  if (existsSync(cache) && lstatSync(cache).uid !== process.getuid?.()) {
    return { missing: `${nowhere} ${cache} belongs to another user. Remove it.` };
  }
  const program = 'usr/sbin/mariadbd';
  if (!isProgram(join(cache, program))) {
    const problem = await unpackDebian({ cache, packages, program });
    if (problem !== null) {
      return { missing: `${nowhere} Debian's package could not be unpacked: ${problem}` };
    }
    chmodSync(cache, 0o755);
  }
  const found = programAt(join(cache, program), libraryFolders(join(cache, 'usr', 'lib')));
  if (found !== null && runs(found, user)) return { found };
  return {
    missing: `${nowhere} Debian's does not run here. See: ${join(cache, program)} --version`,
  };
}

/** Null where what it needs is not beside it. */
function programAt(mariadbd: string, libraries: readonly string[] = []): MariadbProgram | null {
  const share = join(dirname(dirname(mariadbd)), 'share');
  const beside = ['mysql', 'mariadb'].map((name) => join(share, name));
  const found = beside.find((folder) => existsSync(join(folder, systemTables)));
  if (found === undefined) return null;
  const env: Record<string, string> =
    libraries.length === 0 ? {} : { LD_LIBRARY_PATH: libraries.join(delimiter) };
  return { mariadbd, share: found, env };
}

function libraryFolders(lib: string): string[] {
  if (!existsSync(lib)) return [];
  const entries = readdirSync(lib, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(lib, entry.name));
}

function runs({ mariadbd, env }: MariadbProgram, user: RunAs | null): boolean {
  const options = { ...user, cwd: '/', timeout: 20_000, env };
  return spawnSync(mariadbd, ['--no-defaults', '--version'], options).status === 0;
}
