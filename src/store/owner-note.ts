/** Who has a directory, as text in `owner.lock` for people: a lock decides, and not this. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import type { Clock } from '../ports/clock.ts';

export const ownerFile = 'owner.lock';

interface Owner {
  readonly pid: number;
  readonly purpose: string;
  readonly since: string;
}

/** Of this process, from now on. */
export function ownerNote({ purpose, clock }: { purpose: string; clock: Clock }): string {
  const since = new Date(clock.wallMs()).toISOString();
  return `${JSON.stringify({ pid: process.pid, purpose, since } satisfies Owner)}\n`;
}

/** What whoever is refused is told. */
export function inUseText(directory: string): string {
  const owner = readOwner(resolve(directory, ownerFile));
  const who =
    owner === null
      ? 'another process'
      : owner.pid === process.pid
        ? `this same process (pid ${owner.pid}, ${owner.purpose}, since ${owner.since})`
        : `the process with pid ${owner.pid} (${owner.purpose}, since ${owner.since})`;
  return `The directory ${directory} is in use by ${who}. Stop that one, or start this one with another directory.`;
}

function readOwner(path: string): Owner | null {
  try {
    const owner: unknown = JSON.parse(readFileSync(path, 'utf8'));
    const { pid, purpose, since } = owner as Partial<Owner>;
    if (!Number.isInteger(pid) || typeof purpose !== 'string' || typeof since !== 'string') {
      return null;
    }
    return owner as Owner;
  } catch {
    // The owner may be writing it at this moment.
    return null;
  }
}
