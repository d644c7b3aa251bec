/** A file that lines are only ever added to: opening it, and setting full ones aside. */
import { close, constants, fstat, open, read, rename, stat } from 'node:fs';
import process from 'node:process';
import { promisify } from 'node:util';
import { tryLock } from 'fs-native-extensions';
import { thrownText } from '../core/thrown.ts';

/** The text says what to do. */
export class AppendFileError extends Error {
  override readonly name = 'AppendFileError';
}

export interface AppendFile {
  readonly fd: number;
  readonly size: number;
  /** Other than a device, it can be set aside, and another can lie in its place. */
  readonly inode: bigint | null;
  /** Its last line has no end: its writer was killed, or the disk was full. */
  readonly torn: boolean;
  /** Not only its user may write it. */
  readonly open: boolean;
}

/** Neither follows a link that another user may have put there, nor waits for the end of a pipe. */
const { O_RDWR, O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = constants;
const flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK;
const mode = 0o600;
const newline = 0x0a;
/** Of the group, or of everyone. */
const writtenByOthers = 0o022n;

export async function openAppendFile(file: string): Promise<AppendFile> {
  const fd = await promisify(open)(file, flags, mode).catch((error) => {
    throw new AppendFileError(`${file} cannot be opened: ${failureText(error)}`, { cause: error });
  });
  try {
    return await checked(file, fd);
  } catch (error) {
    await closeFile(fd);
    throw error;
  }
}

async function checked(file: string, fd: number): Promise<AppendFile> {
  const found = await promisify(fstat)(fd, { bigint: true });
  if (found.isCharacterDevice()) return { fd, size: 0, inode: null, torn: false, open: false };
  if (!found.isFile()) {
    throw new AppendFileError(
      `${file} is neither a file nor a device, and whoever reads a pipe could hold the node up. Name a file, or - for stdout.`,
    );
  }
  const self = process.geteuid?.();
  if (self !== undefined && found.uid !== BigInt(self) && found.uid !== 0n) {
    throw new AppendFileError(
      `${file} belongs to another user (${found.uid}), who may change it. Move it away, or give it to this one (${self}).`,
    );
  }
  const size = Number(found.size);
  const open = process.platform !== 'win32' && (found.mode & writtenByOthers) !== 0n;
  return { fd, size, inode: found.ino, torn: await isTorn(fd, size), open };
}

/**
 * Until it is closed, or its process dies, however it dies: two that set one file aside would each
 * write into what the other has moved, and overwrite it in the end. False: another process has it.
 * A file system that has no locks, or has them for readers too, is taken as it is.
 */
export function lockAppendFile({ fd, inode }: AppendFile): boolean {
  if (inode === null || process.platform === 'win32') return true;
  try {
    return tryLock(fd, 0, 0, { shared: false });
  } catch {
    return true;
  }
}

export function inUseText(file: string): string {
  return `${file} is written by another running process. Give each node a file of its own.`;
}

export function openToOthersText(file: string): string {
  return `Others may write ${file}, and change what is in it. Run chmod 600 ${file}.`;
}

async function isTorn(fd: number, size: number): Promise<boolean> {
  if (size === 0) return false;
  const { buffer } = await promisify(read)(fd, Buffer.alloc(1), 0, 1, size - 1);
  return buffer[0] !== newline;
}

/**
 * Standard output. Where it is a pipe, opened anew on Linux: else a reader that stands still would
 * keep a thread, and the process from its end.
 */
export async function openStdout(): Promise<AppendFile> {
  const fd = await promisify(open)('/proc/self/fd/1', O_WRONLY | O_APPEND | O_NONBLOCK).catch(
    () => 1,
  );
  return { fd, size: 0, inode: null, torn: false, open: false };
}

/** Whether the file is still the one that was opened: others may have moved it or taken it away. */
export async function isInPlace(file: string, { inode }: AppendFile): Promise<boolean> {
  if (inode === null) return true;
  try {
    return (await promisify(stat)(file, { bigint: true })).ino === inode;
  } catch {
    return false;
  }
}

/** `file` becomes `file.1`, and so on; of `files` in all the oldest is overwritten. */
export async function setAside(file: string, files: number): Promise<void> {
  for (let index = files - 1; index > 1; index -= 1) {
    await promisify(rename)(`${file}.${index - 1}`, `${file}.${index}`).catch(unlessMissing);
  }
  await promisify(rename)(file, `${file}.1`);
}

/** What is wrong with it matters to no one any more. */
export async function closeFile(fd: number): Promise<void> {
  if (fd > 2) await promisify(close)(fd).catch(() => undefined);
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function failureText(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ELOOP':
      return 'it is a symbolic link. Name the file itself.';
    case 'ENOENT':
      return 'its directory does not exist. Make it first.';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not write it.';
    case 'EISDIR':
      return 'it is a directory. Name a file in it.';
    default:
      return thrownText(error);
  }
}
