/**
 * A store's file, held beside the directory's lock: a cleaner of temporary files may take
 * `owner.lock`, and the next process would own the directory as well. A removed file goes on taking
 * writes, which no disk keeps: so its owner looks before each.
 */
import { closeSync, fstatSync, openSync, statSync } from 'node:fs';
import { tryLock } from 'fs-native-extensions';
import { DirectoryLockedError } from './directory-locked.ts';
import { forOperator } from './operator-error.ts';
import { atPlace } from './store-place.ts';

export interface HeldFile {
  readonly path: string;
  /** Throws where the file is not at its place any more. Cheap beside a flush. */
  assertThere(): void;
  release(): void;
}

/** Throws `DirectoryLockedError` where another process has it. */
export function holdFile(path: string, shared: boolean): HeldFile {
  const file = atPlace(path, () => openSync(path, 'r+'));
  let locked = false;
  try {
    locked = atPlace(path, () => tryLock(file, 0, 0, { shared }));
  } finally {
    if (!locked) closeSync(file);
  }
  if (!locked) {
    throw forOperator(
      new DirectoryLockedError(
        `The store ${path} is in use by another process, though owner.lock does not say so: someone removed it. Stop that process, or start this one with another directory.`,
      ),
    );
  }
  const { dev, ino } = fstatSync(file);
  let open = true;
  return {
    path,
    assertThere(): void {
      const now = statSync(path, { throwIfNoEntry: false });
      if (now?.dev === dev && now.ino === ino) return;
      throw new Error(
        `the file was removed or replaced while this process had it open; what is written now would be lost`,
      );
    },
    release(): void {
      if (open) closeSync(file);
      open = false;
    },
  };
}
