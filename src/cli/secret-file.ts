/** Files that hold a secret: one that others can read is none. */
import { readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { CommandError } from './errors.ts';

/** Others may neither read nor write it, and the group may not write it: a mounted secret is often the group's to read. */
const forbidden = 0o027;

/** `what` it is, for the message: `token`. */
export function readSecretFile(file: string, what: string): string {
  try {
    const { mode } = statSync(file);
    if (process.platform !== 'win32' && (mode & forbidden) !== 0) throw tooOpen(file, what, mode);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError('INPUT', `The ${what} cannot be read: ${(error as Error).message}.`);
  }
}

function tooOpen(file: string, what: string, mode: number): CommandError {
  const octal = (mode & 0o777).toString(8).padStart(3, '0');
  return new CommandError(
    'INPUT',
    `The ${what} in ${file} is open to others (mode ${octal}), so it is not secret. Run chmod 600 ${file}; for a secret that Kubernetes mounts, set defaultMode: 0400.`,
  );
}
