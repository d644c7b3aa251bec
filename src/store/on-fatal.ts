import { writeSync } from 'node:fs';
import process from 'node:process';
import type { StoreFailedError } from './store-failed.ts';

/** Called once, when a write failed. Must see to it that nothing is answered any more. */
export type OnFatal = (error: StoreFailedError) => void;

/** EX_SOFTWARE of sysexits.h. */
const fatalExitCode = 70;

export function exitOnFatal(error: StoreFailedError): void {
  try {
    writeSync(2, `${error.message}\n`);
  } finally {
    // Also where stderr is a pipe that is full or gone.
    process.exit(fatalExitCode);
  }
}
