/** A database refuses to run as root: its processes are another user's then. */
import { chownSync, readFileSync } from 'node:fs';
import process from 'node:process';

export interface RunAs {
  readonly uid: number;
  readonly gid: number;
}

const candidates = ['postgres', 'nobody'];

/** Null: this process's own user will do. */
export function databaseUser(): RunAs | null {
  if (process.getuid?.() !== 0) return null;
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of candidates) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(':');
    if (fields === undefined) continue;
    return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error(
    `A database does not run as root, and there is no user ${candidates.join(' or ')} to run it as. Run this as another user.`,
  );
}

export function giveTo(path: string, user: RunAs | null): void {
  if (user !== null) chownSync(path, user.uid, user.gid);
}
