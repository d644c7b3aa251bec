/** Files of `verdict dev-ca`: private, never written over unless they are its own. */
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import { atPlace, makeDirectory, privateFile } from '../../store/store-place.ts';
import { readSecretFile } from '../../system/secret-file.ts';
import { CommandError } from '../command-error.ts';
import { isPlainName } from './parameters.ts';

/** A file to write: `replaced` is one of ours that was there. */
export interface Write {
  readonly path: string;
  readonly text: string;
  readonly replaced: boolean;
}

/** A certificate and its key beside it, each null where there is none. */
export interface Pair {
  readonly certificate: string | null;
  readonly key: string | null;
}

export function certificateFile(stem: string): string {
  return `${stem}.crt`;
}

export function keyFile(stem: string): string {
  return `${stem}.key`;
}

export function readPair(stem: string): Pair {
  const key = keyFile(stem);
  return {
    certificate: readFile(certificateFile(stem)),
    key: isThere(key) ? readSecretFile(key, 'key') : null,
  };
}

/** Null where there is no such file. */
export function readFile(path: string): string | null {
  return isThere(path) ? atPlace(path, () => readFileSync(path, 'utf8')) : null;
}

/** A link that leads nowhere counts: what is written to it would land elsewhere. */
function isThere(path: string): boolean {
  return atPlace(path, () => lstatSync(path, { throwIfNoEntry: false })) !== undefined;
}

/** Names of the certificates in a directory, apart from files that can be none of ours. */
export function certificateNames(directory: string): readonly string[] {
  if (!existsSync(directory)) return [];
  return atPlace(directory, () => readdirSync(directory))
    .filter((name) => name.endsWith(certificateFile('')))
    .map((name) => basename(name, certificateFile('')))
    .filter(isPlainName)
    .sort();
}

/** All at once, for a signal to come before or after: nothing here waits. */
export function writeAll(directories: readonly string[], writes: readonly Write[]): void {
  for (const directory of directories) {
    makeDirectory(directory);
    refuseShared(directory);
  }
  const made: string[] = [];
  try {
    for (const write of writes) {
      atPlace(write.path, () => writeOne(write));
      if (!write.replaced) made.push(write.path);
    }
  } catch (error) {
    // A key without its certificate would stand in the way of the next run.
    for (const path of made) rmSync(path, { force: true });
    throw error;
  }
}

/** Whoever can write in it can put another authority there. */
function refuseShared(directory: string): void {
  const { mode } = statSync(directory);
  if (process.platform === 'win32' || (mode & 0o022) === 0) return;
  throw new CommandError(
    'INPUT',
    `Others may write in ${directory}, so that the certificates there need not be ours. Run chmod 700 ${directory}, or give a --directory of its own.`,
  );
}

function writeOne({ path, text, replaced }: Write): void {
  if (!replaced) return writeNew(path, text);
  const aside = `${path}.${process.pid}.new`;
  try {
    writeFileSync(aside, text, { flag: 'wx', mode: privateFile });
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
}

function writeNew(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: privateFile });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new CommandError(
        'INPUT',
        `${path} came to be while this ran, and is not written over. If that was another verdict dev-ca, run this one again.`,
      );
    }
    rmSync(path, { force: true });
    throw error;
  }
}
