/** The input of a command that takes lines: a file, or `-` for stdin. */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { thrownText } from '../core/thrown.ts';
import { CommandError } from './command-error.ts';
import type { Io } from './io.ts';

export interface Input {
  readonly stream: Readable;
  /** null where it has no size that means anything. */
  readonly bytes: number | null;
}

export async function openInput(io: Io, file: string): Promise<Input> {
  if (file === '-') return { stream: io.stdin, bytes: null };
  try {
    const handle = await open(file);
    const status = await handle.stat();
    if (status.isDirectory()) {
      await handle.close();
      throw new CommandError('INPUT', `${file} is a directory. Name a file, or - for stdin.`);
    }
    // A named pipe or device has no size that means anything.
    const bytes = status.isFile() ? status.size : null;
    return { stream: createReadStream('', { fd: handle }), bytes };
  } catch (error) {
    throw error instanceof CommandError ? error : unreadable(file, error);
  }
}

export function unreadable(file: string, error: unknown): CommandError {
  const why = thrownText(error);
  const name = file === '-' ? 'stdin' : file;
  return new CommandError('INPUT', `${name} cannot be read: ${why}.`, { cause: error });
}
