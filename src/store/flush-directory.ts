import { closeSync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

/** The names in it are on disk when it returns. */
export function flushDirectory(directory: string): void {
  const file = openSync(directory, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** The directory and those above it, up to one of them. */
export function flushDirectories(from: string, upTo: string): void {
  for (let directory = from; ; directory = dirname(directory)) {
    flushDirectory(directory);
    if (directory === upTo || directory === dirname(directory)) return;
  }
}
