import process from 'node:process';

/** Deno has not the symbols that the native lock needs: it would end the process, and not throw. */
export function canLockFiles(): boolean {
  return process.versions['deno'] === undefined;
}
