/** What a machine may lack: tests that need it are skipped there, and say so. */
import process from 'node:process';

/**
 * The reason, handed on. With CI set it is an error, for a run that tested nothing must not be
 * green: only Docker, and root, may be missing there.
 */
export function lacking(missing: string | null): string | null {
  if (missing !== null && process.env['CI'] !== undefined) throw new Error(missing);
  return missing;
}
