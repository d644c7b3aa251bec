/** The cluster's token, read as the command reads it: a file that others can read is refused. */
import { readSecretFile } from '../../../src/system/secret-file.ts';

export function readToken(file: string): string | null {
  return readSecretFile(file, 'token').split('\n', 1)[0]?.trim() ?? null;
}
