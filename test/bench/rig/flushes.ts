/**
 * Flushes of a process, counted by strace where it is there and may be used: calls that return when
 * what was written is on the disk. LMDB flushes twice for a commit, its pages and then its root,
 * the latter by a write to a descriptor that was opened to flush by itself.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const strace = [
  // As a grandchild: the process that is started is the program itself, under its own pid.
  'strace',
  '-D',
  '-f',
  '-qq',
  // What is not counted runs at full speed.
  '--seccomp-bpf',
  '-e',
  'trace=openat,fdatasync,fsync,msync,pwrite64',
  '-o',
] as const;
const tryMs = 10_000;

/** Whether this machine lets strace count. */
export async function canCountFlushes(): Promise<boolean> {
  const [program, ...args] = strace;
  try {
    await promisify(execFile)(program, [...args, '/dev/null', 'true'], { timeout: tryMs });
    return true;
  } catch {
    return false;
  }
}

export class FlushCounter {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The command that runs a process of that name under it. */
  through(name: string): readonly string[] {
    return [...strace, this.#path(name)];
  }

  /** So far. */
  count(name: string): number {
    const path = this.#path(name);
    return existsSync(path) ? countFlushes(readFileSync(path, 'utf8')) : 0;
  }

  #path(name: string): string {
    return join(this.#directory, `${name}.strace`);
  }
}

const line = /^(\d+) +(?:<\.\.\. )?(\w+)(.*)$/;

/** In strace's own words, of one process and its threads. */
export function countFlushes(text: string): number {
  /** Descriptors whose writes flush. */
  const flushing = new Set<string>();
  /** Threads whose open of such a one has not returned. */
  const opening = new Set<string>();
  let count = 0;
  for (const each of text.split('\n')) {
    const [, thread = '', call = '', rest = ''] = line.exec(each) ?? [];
    if (call === 'openat') {
      if (/\bO_D?SYNC\b/.test(rest)) opening.add(thread);
      const opened = /= (\d+)$/.exec(rest)?.[1];
      if (opened !== undefined && opening.has(thread)) flushing.add(opened);
      else if (opened !== undefined) flushing.delete(opened);
      if (!rest.endsWith('<unfinished ...>')) opening.delete(thread);
    } else if (rest.startsWith('(')) {
      // Its second half, where another thread came between, begins with another word.
      if (call !== 'pwrite64') count += 1;
      else if (flushing.has(/^\((\d+)/.exec(rest)?.[1] ?? '')) count += 1;
    }
  }
  return count;
}
