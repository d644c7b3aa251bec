/**
 * The files of the console, into memory, when they are first asked for. Vite makes them: as the
 * package is built, and in a clone by the set-up or, where they are missing or older than their
 * sources, now. Nothing is downloaded for it.
 */
import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { thrownText } from '../core/thrown.ts';
import type { ConsoleFile, ConsoleFiles } from '../node/console.ts';

/** The same paths from src/cli and from dist/cli. */
const built: string = fileURLToPath(new URL('../../dist/console/', import.meta.url));
/** In the clone; the package does not have it. */
const builder: string = fileURLToPath(new URL('../../scripts/setup/console.mjs', import.meta.url));
const buildTimeoutMs = 60_000;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

let loading: Promise<ConsoleFiles> | null = null;

export function consoleFiles(): Promise<ConsoleFiles> {
  loading ??= load().then((files) => {
    // What is missing may be there the next time.
    if (typeof files === 'string') loading = null;
    return files;
  });
  return loading;
}

async function load(): Promise<ConsoleFiles> {
  try {
    if (existsSync(builder)) {
      await promisify(execFile)(process.execPath, [builder], { timeout: buildTimeoutMs });
    }
    const names = await readdir(built, { recursive: true });
    const files = await Promise.all(
      names.filter((name) => extname(name) in types).map(async (name) => [name, await read(name)]),
    );
    return new Map(files as [string, ConsoleFile][]);
  } catch (error) {
    return `The console is not there: ${thrownText(error)}. In a clone, build it: node scripts/setup/console.mjs`;
  }
}

async function read(name: string): Promise<ConsoleFile> {
  const body = await readFile(join(built, name));
  return {
    type: types[extname(name)] ?? 'application/octet-stream',
    body,
    gzip: await promisify(gzip)(body),
    etag: `"${hash('sha256', body, 'hex').slice(0, 32)}"`,
    isHashed: name.startsWith('assets/'),
  };
}
