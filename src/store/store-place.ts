/**
 * The place of a store, made and tried before the store is: what is wrong with it is told in one
 * sentence. LMDB would end the process with a memory fault where the disk has no room for its file.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';
import { thrownText } from '../core/thrown.ts';
import { forOperator } from './operator-error.ts';
import { placeOf, writeAdvice } from './write-advice.ts';

/** For the account that runs the process alone: where no keys are given, payloads are in clear. */
export const privateFile = 0o600;
/** Of directories that are made here; one that was there keeps its mode. */
const privateDirectory = 0o700;

/** Nothing can be kept there. The text says why, and what to do. */
export class StorePlaceError extends Error {
  override readonly name = 'StorePlaceError';
}

/** Runs `action`, which opens or makes something at the path; system errors come with advice. */
export function atPlace<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    // Not one of the system's: it says itself what to do.
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    throw placeError(path, error);
  }
}

export function placeError(path: string, error: unknown): StorePlaceError {
  const why = thrownText(error);
  return forOperator(
    new StorePlaceError(`${path} cannot be used: ${why}. ${writeAdvice(why, placeOf(path))}`),
  );
}

/**
 * The directory, with those above it; returns the first that was not there, undefined where all
 * were. Others may make the same ones at the same time: services that start together. Not Node's
 * own: that says ENOENT on a read-only file system, and never ends below /proc.
 */
export function makeDirectory(directory: string): string | undefined {
  return atPlace(directory, () => make(directory));
}

function make(directory: string): string | undefined {
  try {
    mkdirSync(directory, { mode: privateDirectory });
    return directory;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // What is there need not be writable to be gone through: whether it is one shows below it.
    if (isDirectory(directory)) return undefined;
    const above = dirname(directory);
    if (code !== 'ENOENT' || above === directory) throw error;
    // There by now, if another made it: it was not there before.
    const first = make(above) ?? above;
    try {
      mkdirSync(directory, { mode: privateDirectory });
    } catch (again) {
      if (!isDirectory(directory)) throw again;
    }
    return first;
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A new LMDB store and its file of locks, with some commits. */
const roomBytes = 65_536;

/** Throws StorePlaceError where a new store would have no room. One that is there needs none. */
export function assertRoom(path: string): void {
  if (isAllocated(path) && isAllocated(`${path}-lock`)) return;
  const probe = `${path}-room`;
  atPlace(probe, () => {
    const file = openSync(probe, 'w', privateFile);
    try {
      const bytes = new Uint8Array(roomBytes).fill(1);
      for (let at = 0; at < roomBytes; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
      rmSync(probe, { force: true });
    }
  });
}

/** A file of which parts were never given room is smaller on the disk than it says. */
function isAllocated(path: string): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && stat.size > 0 && stat.blocks * 512 >= stat.size;
}

/** Not the group's: volumes of Kubernetes are their group's. */
const forOthers = 0o007;
const warnedOfOpen = new Set<string>();

/** A directory that was there, made by hand or by other means, keeps its mode. */
export function warnOfOpen(directory: string): void {
  const { mode } = statSync(directory);
  if (process.platform === 'win32' || (mode & forOthers) === 0) return;
  if (warnedOfOpen.has(directory)) return;
  warnedOfOpen.add(directory);
  const octal = (mode & 0o777).toString(8).padStart(3, '0');
  process.emitWarning(
    `The directory ${directory} is open to other accounts (mode ${octal}). Run chmod 700 ${directory}, or give a directory below it: one that is not there is made closed.`,
    { type: 'VerdictWarning', code: 'VERDICT_OPEN_DIRECTORY' },
  );
}

/** By the magic numbers of Linux. */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9p'],
  [0x00c36400, 'Ceph'],
]);

const warned = new Set<string>();

/** LMDB maps its file: over a network, other machines or a restarted server may spoil the map. */
export function warnOfNetwork(directory: string, type: number = typeOf(directory)): void {
  const name = networkFileSystems.get(type);
  if (name === undefined || warned.has(directory)) return;
  warned.add(directory);
  process.emitWarning(
    `The store in ${directory} is on a network file system (${name}). What it holds may be damaged there when the server or the network fails: give a directory on a local disk.`,
    { type: 'VerdictWarning', code: 'VERDICT_NETWORK_STORE' },
  );
}

function typeOf(directory: string): number {
  try {
    return statfsSync(directory).type;
  } catch {
    return 0;
  }
}
