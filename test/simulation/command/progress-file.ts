/**
 * Which seeds are done, from one campaign to the next, and how many were clean with the sources as
 * they are now.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Progress {
  /** What was simulated: commit, and whether anything of it had been changed since. */
  readonly sources: string;
  /** The first seed that no campaign has run. */
  readonly next: number;
  /** Clean ones in a row, with these sources. */
  readonly clean: number;
  readonly failed: readonly number[];
}

const path = '.cache/simulation/progress.json';

/** The commit's own id, and `+` where files that matter differ from it. */
export function currentSources(): string {
  const commit = git('rev-parse', '--short=12', 'HEAD');
  if (commit === null) return 'unknown';
  const changed = git('status', '--porcelain', 'src', 'test/simulation');
  return changed === '' ? commit : `${commit}+`;
}

export function readProgress(): Progress {
  const sources = currentSources();
  try {
    const stored = JSON.parse(readFileSync(path, 'utf8')) as Progress;
    // Other sources: what was clean before proves nothing about them. New seeds all the same.
    return stored.sources === sources
      ? stored
      : { sources, next: stored.next, clean: 0, failed: [] };
  } catch {
    return { sources, next: 1, clean: 0, failed: [] };
  }
}

export function writeProgress(progress: Progress): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(progress, null, 2)}\n`);
}

/** A seed that changes with the commit, so that no two commits are tried on the same runs. */
export function seedOfCommit(): number {
  const commit = git('rev-parse', 'HEAD') ?? '1';
  return Number.parseInt(commit.slice(0, 10), 16) || 1;
}

function git(...args: string[]): string | null {
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : null;
}
