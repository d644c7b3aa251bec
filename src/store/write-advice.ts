/**
 * Why a store cannot be opened or written, and what to do. LMDB says it in the system's words, Node
 * by the system's names; a write that a full disk or a limit cut short is an I/O error to LMDB.
 */
import { readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';

/** What is known of the place beside the error. Null: it cannot be told. */
export interface Place {
  readonly freeBytes: number | null;
  readonly freeFiles: number | null;
  /** The file is as large as the process may make one. */
  readonly atSizeLimit: boolean;
}

/** Less is nothing: a commit may need more, and file systems keep some for themselves. */
const fullBelowBytes = 1_048_576;

const advices: readonly (readonly [why: RegExp, advice: string])[] = [
  [
    /EDQUOT|quota/i,
    'The disk is full for this account (its quota is used up): free some space or raise the quota, then start again.',
  ],
  [
    /EFBIG|too large/i,
    'The file has reached the limit on the size of files (ulimit -f): raise it, then start again.',
  ],
  [
    /EROFS|read-only file system/i,
    'The file system is read-only: mount it writable (in a container, a volume), or give another directory. Where it was writable before, the disk has failed: see the kernel log.',
  ],
  [
    /EACCES|EPERM|permission denied|not permitted/i,
    'The account that runs this process may not write there: make it the owner (chown), or give another directory.',
  ],
  [
    /EMFILE|ENFILE|too many open files/i,
    'All the files are open that may be (ulimit -n; LimitNOFILE of systemd): raise the limit, then start again.',
  ],
  [
    /ENOTDIR|EEXIST|not a directory/i,
    'There is a file where a directory should be: give another directory, or move the file away.',
  ],
  [
    /ENOLCK|EOPNOTSUPP|ENOTSUP|ENOSYS|no locks available|not supported|not implemented/i,
    'The file system cannot lock or map files, as some network file systems cannot: give a directory on a local disk.',
  ],
  [
    /ENOMEM|cannot allocate memory/i,
    'There is too little memory or address space to map the file (ulimit -v): raise the limit, then start again.',
  ],
  [
    /ESTALE|stale file handle/i,
    'The file server does not know the file any more: mount it again, or better give a directory on a local disk.',
  ],
  [
    /ENOENT|no such file|ELOOP|ENAMETOOLONG/i,
    'There can be no such directory: look for a link that leads nowhere, or give another directory.',
  ],
];

const general = 'Check the disk and the kernel log, then start again.';

export function writeAdvice(why: string, { freeBytes, freeFiles, atSizeLimit }: Place): string {
  const found = advices.find(([words]) => words.test(why));
  if (found !== undefined) return found[1];
  const noSpace = /ENOSPC|no space|MAP_FULL/i.test(why);
  if (noSpace && freeFiles === 0) {
    return 'The disk is full: it has no room for another file (df -i). Remove some, then start again.';
  }
  if (noSpace || (freeBytes !== null && freeBytes < fullBelowBytes)) {
    const left = freeBytes === null ? '' : ` (${freeBytes} bytes are free)`;
    return `The disk is full${left}: free some space, then start again.`;
  }
  return atSizeLimit ? writeAdvice('EFBIG', { freeBytes, freeFiles, atSizeLimit }) : general;
}

/** Where the file lies, or will. */
export function placeOf(path: string): Place {
  const { freeBytes, freeFiles } = freeAt(dirname(path));
  const limit = fileSizeLimit();
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return { freeBytes, freeFiles, atSizeLimit: limit !== null && size + fullBelowBytes > limit };
}

/** Of the directory, or of the first one above it that is there. */
function freeAt(directory: string): Pick<Place, 'freeBytes' | 'freeFiles'> {
  try {
    const { bavail, bsize, ffree, files } = statfsSync(directory);
    // Some file systems do not count files.
    return { freeBytes: bavail * bsize, freeFiles: files === 0 ? null : ffree };
  } catch {
    const above = dirname(directory);
    return above === directory ? { freeBytes: null, freeFiles: null } : freeAt(above);
  }
}

/** Node does not tell; null where there is none, or no /proc. */
function fileSizeLimit(): number | null {
  if (process.platform !== 'linux') return null;
  try {
    const bytes = /^Max file size +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1];
    return bytes === undefined ? null : Number(bytes);
  } catch {
    return null;
  }
}
