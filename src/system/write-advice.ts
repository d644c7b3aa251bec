/** Why a write may have failed, and what to do: LMDB calls a write that a full disk cut short an error of input or output. */
import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** Less is nothing: a commit may need more, and file systems keep some for themselves. */
const fullBelowBytes = 1_048_576;

export function writeAdvice(why: string, free: number | null): string {
  if (/no space|MAP_FULL|quota/i.test(why) || (free !== null && free < fullBelowBytes)) {
    const left = free === null ? '' : ` (${free} bytes are free)`;
    return `The disk is full${left}: free some space, then start again.`;
  }
  if (/too large/i.test(why)) {
    return 'The file has reached the limit on the size of files (ulimit -f): raise it, then start again.';
  }
  return 'Check the disk and the kernel log, then start again.';
}

/** Where the file lies; null where it cannot be told. */
export function freeBytes(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return null;
  }
}
