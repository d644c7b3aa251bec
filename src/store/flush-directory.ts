import { closeSync, fsyncSync, openSync } from 'node:fs';

/** The names in it are on disk when it returns. */
export function flushDirectory(directory: string): void {
  const file = openSync(directory, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
