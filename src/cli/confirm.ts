/** A question to the person at the terminal. */
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { CommandError, usageError } from './command-error.ts';
import type { Io } from './io.ts';
import { harmless } from './text.ts';

/** Anything but yes is no, the end of the input too. Throws on Ctrl-C. */
export async function confirm(io: Io, question: string): Promise<boolean> {
  const terminal = createInterface({ input: io.stdin, output: io.stderr });
  let interrupted = false;
  terminal.once('SIGINT', () => {
    interrupted = true;
    terminal.close();
  });
  try {
    const closed = once(terminal, 'close').then(() => '');
    const answered = terminal.question(`${harmless(question)} [y/N] `).catch(() => '');
    const yes = /^y(es)?$/i.test((await Promise.race([answered, closed])).trim());
    if (interrupted) {
      io.stderr.write('\n');
      throw new CommandError('INTERRUPTED', 'Stopped by Ctrl-C. Nothing was done.');
    }
    if (!yes) io.stderr.write('Nothing was done.\n');
    return yes;
  } finally {
    terminal.close();
  }
}

/** `why`: what makes the question necessary. */
export function requireTerminal(io: Io, why: string): void {
  if (io.stdin.isTTY === true && io.stderr.isTTY === true) return;
  throw usageError(`${why}, and there is no terminal to ask at. Add --yes if that is meant.`);
}
