/** A small file that is replaced whole: a crash leaves the old text or the new, never a part. */
import { readFileSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeDirectory, placeError, privateFile } from './store-place.ts';

/** Where such files are: a simulation keeps them in memory. */
export interface DurableFiles {
  /** Null where there is no such file. */
  read(path: string): string | null;
  /** On disk, and found under its name, when it resolves. One writer of a path at a time. */
  write(path: string, text: string): Promise<void>;
}

function readDurableFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    // Not by its class: in Jest, Node's own modules have another `Error`.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

export async function writeDurableFile(path: string, text: string): Promise<void> {
  const directory = dirname(path);
  makeDirectory(directory);
  try {
    const aside = `${path}.new`;
    await flushed(aside, 'w', (file) => file.writeFile(text));
    await rename(aside, path);
    // The name is the directory's; it is not on disk before the directory is.
    await flushed(directory, 'r', async () => undefined);
  } catch (error) {
    throw placeError(path, error);
  }
}

async function flushed(
  path: string,
  flags: 'r' | 'w',
  act: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags, privateFile);
  try {
    await act(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

export const systemFiles: DurableFiles = { read: readDurableFile, write: writeDurableFile };
