/**
 * A line on stdout that has left the process when this returns: for processes that are killed at
 * any moment.
 */
import { writeSync } from 'node:fs';

const wait = new Int32Array(new SharedArrayBuffer(4));

export function tell(line: string): void {
  let rest = Buffer.from(`${line}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // A pipe that is full: its reader is slower than this.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(wait, 0, 0, 1);
    }
  }
}
