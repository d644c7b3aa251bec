import { statSync } from 'node:fs';
import { resolve } from 'node:path';

/** Tells a file from its copies; the same for as long as the file is there. */
export function fileNumber(directory: string, file: string): string {
  return statSync(resolve(directory, file), { bigint: true }).ino.toString(36);
}
