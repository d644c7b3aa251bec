/** A directory gets all of its files, or none: they are written beside their place, then moved. */
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { Refusal, shown } from './refusal.ts';

/** How many of the names in the way are told. */
const namesTold = 5;

/**
 * `write` writes into the directory that it is given. Throws a Refusal where `path` is something
 * else than an empty directory (a repository without files counts as empty) or cannot be written.
 */
export function layOut(path: string, write: (directory: string) => void): void {
  try {
    if (isEmptyDirectory(path)) into(path, write);
    else asNew(path, write);
  } catch (error) {
    throw refusal(path, error);
  }
}

/** False: there is nothing at the path. */
function isEmptyDirectory(path: string): boolean {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
  const names = readdirSync(path).filter((name) => name !== '.git');
  if (names.length === 0) return true;
  const told = names.sort().slice(0, namesTold).map(shown).join(', ');
  const more = names.length > namesTold ? ` and ${names.length - namesTold} more` : '';
  throw new Refusal(
    `${shown(path)} is not empty: it has ${told}${more}. Nothing was changed. Name another directory.`,
  );
}

function asNew(path: string, write: (directory: string) => void): void {
  const parent = dirname(path);
  const made: string[] = [];
  try {
    for (const missing of missingOf(parent)) {
      mkdirSync(missing);
      made.unshift(missing);
    }
    drafted(parent, write, (draft) => renameSync(draft, path));
  } catch (error) {
    // Someone else may have put something there in between.
    for (const each of made) removeEmpty(each);
    throw error;
  }
}

/** The directory stays what it is: it may be where a shell stands, or where a disk is mounted. */
function into(path: string, write: (directory: string) => void): void {
  const moved: string[] = [];
  drafted(path, write, (draft) => {
    try {
      for (const name of readdirSync(draft)) {
        const to = join(path, name);
        if (existsSync(to))
          throw new Refusal(`${shown(to)} was made by another process meanwhile.`);
        renameSync(join(draft, name), to);
        moved.push(to);
      }
    } catch (error) {
      for (const each of moved) rmSync(each, { recursive: true, force: true });
      throw error;
    }
  });
}

function drafted(
  parent: string,
  write: (directory: string) => void,
  move: (draft: string) => void,
): void {
  const draft = join(parent, `.create-verdict-${randomUUID()}`);
  mkdirSync(draft);
  try {
    write(draft);
    move(draft);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

/** The outermost first. */
function missingOf(directory: string): string[] {
  if (existsSync(directory)) return [];
  return [...missingOf(dirname(directory)), directory];
}

function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch {
    // It has something by now, and stays.
  }
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'this account may not write there',
  EPERM: 'this account may not write there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of this account is used up',
  EFBIG: 'the limit of this process for files is too low',
  ENAMETOOLONG: 'the name is too long',
  ENOTDIR: 'it, or a part of its path, is a file',
  ENOENT: 'there is no such place, or a link leads to nothing',
  EEXIST: 'another process has made it meanwhile',
  ENOTEMPTY: 'another process has made it meanwhile',
  ELOOP: 'its links lead in a circle',
};

function refusal(path: string, error: unknown): unknown {
  if (error instanceof Refusal) return error;
  const reason = reasons[(error as NodeJS.ErrnoException).code ?? ''];
  if (reason === undefined) return error;
  const text = `Nothing can be laid out in ${shown(path)}: ${reason}. Nothing was changed.`;
  return new Refusal(text);
}
