/**
 * One owner for a data directory.
 *
 * The lock is an open-file-description lock on `owner.lock`: the system gives it back when the
 * process dies, however it dies, so none is ever stale. Unlike a plain fcntl lock it excludes a
 * second open in the same process too. The text in the file is for people; the lock alone decides.
 */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { tryLock } from 'fs-native-extensions';
import type { Clock } from '../ports/clock.ts';
import { canLockFiles } from '../system/runtime.ts';
import { DirectoryLockedError } from './directory-locked.ts';
import { forOperator } from './operator-error.ts';
import { inUseText, ownerFile, ownerNote } from './owner-note.ts';
import { atPlace, makeDirectory, placeError, privateFile, warnOfOpen } from './store-place.ts';

export interface DirectoryLock {
  /** Gives the directory back. Harmless when repeated. */
  release(): void;
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
  if (!canLockFiles()) {
    throw new Error(
      `${directory} cannot be locked on Deno, and a store without a lock could get two owners. Run this program on Node; on Deno clients work, and participants whose journal is in SQLite (journalKind).`,
    );
  }
  if (makeDirectory(directory) === undefined) atPlace(directory, () => warnOfOpen(directory));
  const path = resolve(directory, ownerFile);
  // Opened without truncation: the file may be telling who holds the lock that we are refused.
  const file = atPlace(path, () => openSync(path, 'a+', privateFile));
  let locked = false;
  try {
    locked = tryLock(file, 0, 0, { shared: options.shared ?? false });
    if (!locked) throw forOperator(new DirectoryLockedError(inUseText(directory)));
    // Of several owners the last one is named: enough to find what is in the way.
    ftruncateSync(file, 0);
    writeSync(file, ownerNote(options));
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
