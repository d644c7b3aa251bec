import { readFileSync, statSync } from 'node:fs';
import process from 'node:process';
import { thrownText } from '../core/thrown.ts';

/** It cannot be read, or is open to others. The text says what to do. */
export class SecretFileError extends Error {
  override readonly name = 'SecretFileError';
}

/** No access for others, no writing by the group, which often may read a mounted secret. */
const forbidden = 0o027;

/** `what` it is, for the message: `token`. One that others can read is refused. */
export function readSecretFile(file: string, what: string): string {
  return read(file, what, (problem) => {
    throw new SecretFileError(problem);
  });
}

/** Another program's secret, which may have to lie as that one wants: one warning for each file. */
export function readForeignSecretFile(
  file: string,
  what: string,
  warn: (problem: string) => void = processWarning,
): Buffer {
  return Buffer.from(
    read(file, what, (problem) => {
      if (warned.has(file)) return;
      warned.add(file);
      warn(problem);
    }),
  );
}

function processWarning(problem: string): void {
  process.emitWarning(problem, { type: 'VerdictWarning', code: 'VERDICT_OPEN_SECRET' });
}

const warned = new Set<string>();

function read(file: string, what: string, open: (problem: string) => void): string {
  try {
    const { mode } = statSync(file);
    if (process.platform !== 'win32' && (mode & forbidden) !== 0) open(problemOf(file, what, mode));
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof SecretFileError) throw error;
    throw new SecretFileError(`The ${what} cannot be read: ${thrownText(error)}.`, {
      cause: error,
    });
  }
}

function problemOf(file: string, what: string, mode: number): string {
  const octal = (mode & 0o777).toString(8).padStart(3, '0');
  return `The ${what} in ${file} is open to others (mode ${octal}), so it is not secret. Run chmod 600 ${file}; for a secret that Kubernetes mounts, set defaultMode: 0400.`;
}
