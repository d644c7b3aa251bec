import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { slownessFactor } from '../../support/process/slowness.ts';

const root = join(import.meta.dirname, '../../..');
const built = 'dist/cli/main.js';
const source = 'src/cli/main.ts';

let place: string;

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'verdict-bin-'));
  cpSync(join(root, 'bin'), join(place, 'bin'), { recursive: true });
  writeFileSync(join(place, 'package.json'), '{"type":"module"}');
});

afterEach(() => rmSync(place, { recursive: true, force: true }));

describe('The verdict command', () => {
  it.each([
    ['the sources of a clone that was never built', [source], source],
    ['what was built, in an installed package', [built], built],
    ['what was built, where it is newer', [source, built], built],
    ['the sources, where they are newer', [built, source], source],
    ['the sources, where any of them is newer', [source, built, 'src/core/txid.ts'], source],
  ])('runs %s', async (_what, oldestFirst, expected) => {
    for (const [index, path] of oldestFirst.entries()) write(path, new Date(2020, 0, 1 + index));
    expect(await verdict('tx', 'two words')).toEqual({
      code: 7,
      stdout: `${expected} ["tx","two words"]\n`,
    });
  });
});

function write(path: string, changed: Date): void {
  const file = join(place, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    `export const main = async (args) => (console.log('${path}', JSON.stringify(args)), 7);\n`,
  );
  utimesSync(file, changed, changed);
  // The folder counts as well: a deleted source is a change.
  for (let folder = dirname(file); folder !== place; folder = dirname(folder)) {
    utimesSync(folder, changed, changed);
  }
}

function verdict(...args: string[]): Promise<{ code: unknown; stdout: string }> {
  const command = [join(place, 'bin/verdict.mjs'), ...args];
  return new Promise((resolve) => {
    execFile(process.execPath, command, { timeout: 15_000 * slownessFactor }, (error, stdout) =>
      resolve({ code: error?.code ?? 0, stdout }),
    );
  });
}
