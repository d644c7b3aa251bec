/**
 * An earlier version of the whole, from the history of the clone: what runs while a cluster is
 * upgraded node by node.
 */
import { execFileSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '../logs/stores.ts';

/**
 * The version that people run while they upgrade to this one: the last that landed before. With
 * each one that lands, put that one's commit here. It must be on the main branch, for a clone has
 * nothing else; its packages must be among those of today, for they run on these.
 */
export const earlierCommit = '0cfe750';

const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface EarlierBuild {
  /** Its root, as the clone's. */
  readonly path: string;
  remove(): void;
}

/** A text: why there is none. */
export function earlierBuild(commit: string = earlierCommit): EarlierBuild | string {
  const directory = temporaryDirectory();
  try {
    const archive = join(directory.path, 'archive.tar');
    const what = ['bin', 'src', 'cluster', 'test/support', 'package.json'];
    run('git', ['archive', '--output', archive, commit, ...what]);
    run('tar', ['-xf', archive, '-C', directory.path]);
    symlinkSync(join(root, 'node_modules'), join(directory.path, 'node_modules'));
    return { path: directory.path, remove: () => directory.remove() };
  } catch (error) {
    directory.remove();
    return `${commit} cannot be had from the history of this clone (${(error as Error).message.trim()}). A clone with all of its history has it.`;
  }
}

function run(program: string, args: readonly string[]): void {
  execFileSync(program, [...args], {
    cwd: root,
    timeout: 60_000,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}
