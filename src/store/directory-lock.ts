/**
 * One owner for a data directory.
 *
 * The lock is an open-file-description lock on `owner.lock`: the system gives it back when the
 * process dies, however it dies, so none is ever stale. Unlike a plain fcntl lock it excludes a
 * second open in the same process too. The text in the file is for people; the lock alone decides.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { tryLock } from 'fs-native-extensions';
import type { Clock } from '../ports/clock.ts';
import { forOperator } from './operator-error.ts';
import { atPlace, makeDirectory, placeError, privateFile, warnOfOpen } from './store-place.ts';

export interface DirectoryLock {
  /** Gives the directory back. Harmless when repeated. */
  release(): void;
}

/** The directory has another owner. The text names it and says what to do. */
export class DirectoryLockedError extends Error {
  override readonly name = 'DirectoryLockedError';
}

/** Makes the directory where it is missing. Throws `DirectoryLockedError` when it has an owner. */
export function lockDirectory(options: {
  readonly directory: string;
  /** What it is owned for, such as `decision log`: the error for a second owner says it. */
  readonly purpose: string;
  /** Others may have it too if they share it; no one may have it alone. Default: alone. */
  readonly shared?: boolean;
  readonly clock: Clock;
}): DirectoryLock {
  const directory = resolve(options.directory);
  // Its native code needs symbols that Deno has not: it would end the process, and not throw.
  if (process.versions['deno'] !== undefined) {
    throw new Error(
      `${directory} cannot be locked on Deno, and a store without a lock could get two owners. Run this program on Node; on Deno the client works.`,
    );
  }
  if (makeDirectory(directory) === undefined) atPlace(directory, () => warnOfOpen(directory));
  const path = resolve(directory, 'owner.lock');
  // Opened without truncation: the file may be telling who holds the lock that we are refused.
  const file = atPlace(path, () => openSync(path, 'a+', privateFile));
  let locked = false;
  try {
    locked = tryLock(file, 0, 0, { shared: options.shared ?? false });
    if (!locked) throw forOperator(new DirectoryLockedError(refusal(directory, path)));
    // Of several owners the last one is named: enough to find what is in the way.
    const owner: Owner = {
      pid: process.pid,
      purpose: options.purpose,
      since: new Date(options.clock.wallMs()).toISOString(),
    };
    ftruncateSync(file, 0);
    writeSync(file, `${JSON.stringify(owner)}\n`);
  } catch (error) {
    closeSync(file);
    throw error instanceof DirectoryLockedError ? error : placeError(path, error);
  }
  return {
    release(): void {
      if (!locked) return;
      locked = false;
      // Closing the only descriptor of the open file gives the lock back.
      closeSync(file);
    },
  };
}

interface Owner {
  readonly pid: number;
  readonly purpose: string;
  readonly since: string;
}

function refusal(directory: string, path: string): string {
  const owner = readOwner(path);
  const who =
    owner === null
      ? 'another process'
      : owner.pid === process.pid
        ? `this same process (pid ${owner.pid}, ${owner.purpose}, since ${owner.since})`
        : `the process with pid ${owner.pid} (${owner.purpose}, since ${owner.since})`;
  return `The directory ${directory} is in use by ${who}. Stop that one, or start this one with another directory.`;
}

function readOwner(path: string): Owner | null {
  try {
    const owner: unknown = JSON.parse(readFileSync(path, 'utf8'));
    const { pid, purpose, since } = owner as Partial<Owner>;
    if (!Number.isInteger(pid) || typeof purpose !== 'string' || typeof since !== 'string') {
      return null;
    }
    return owner as Owner;
  } catch {
    // The owner may be writing it at this moment.
    return null;
  }
}
