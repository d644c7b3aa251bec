/**
 * A Chromium to run: the one that VERDICT_CHROMIUM_BIN names, else the one on PATH, else Debian's
 * package with all that it needs, unpacked into a cache.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { type Browser, chromium } from 'playwright-core';
import { isProgram, unpackDebian } from '../../../cluster/debian/unpack.ts';

/** Null, and said, where there is none; in CI there must be one. */
export async function chromiumToTest(): Promise<ChromiumProgram | null> {
  const found = await findChromium();
  if ('path' in found) return found;
  if (process.env['CI'] !== undefined) throw new Error(found.missing);
  console.warn(`SKIPPED, for want of a browser: ${found.missing}`);
  return null;
}

export interface ChromiumProgram {
  readonly path: string;
  /** Where its libraries and fonts are, when they are not the system's. */
  readonly env: Readonly<Record<string, string>>;
}

/** What was tried, for a person. */
export interface NoChromium {
  readonly missing: string;
}

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const packages = ['chromium', 'fonts-dejavu-core'];
const program = 'usr/lib/chromium/chromium';

export async function findChromium(): Promise<ChromiumProgram | NoChromium> {
  const named = process.env['VERDICT_CHROMIUM_BIN'] || null;
  if (named !== null)
    return runs({ path: named, env: {} }) ?? { missing: `${named} does not run.` };
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name);
      const found = folder !== '' && isProgram(path) ? runs({ path, env: {} }) : null;
      if (found !== null) return found;
    }
  }
  return unpacked();
}

async function unpacked(): Promise<ChromiumProgram | NoChromium> {
  const uid = process.getuid?.() ?? 0;
  const cache = join(tmpdir(), `verdict-chromium-${uid}`);
  // Everybody may write to the folder of temporary files.
  if (existsSync(cache) && lstatSync(cache).uid !== uid) {
    return { missing: `${cache} belongs to another user. Remove it.` };
  }
  if (!isProgram(join(cache, program))) {
    const options = { cache, packages, program, withDependencies: true };
    const problem = await unpackDebian(options);
    if (problem !== null) {
      return {
        missing: `VERDICT_CHROMIUM_BIN is not set, there is no chromium on PATH, and Debian's package could not be unpacked: ${problem}`,
      };
    }
  }
  const path = join(cache, program);
  const found = runs({ path, env: environmentOf(cache) });
  return found ?? { missing: `Debian's Chromium does not run here. See: ${path} --version` };
}

function environmentOf(cache: string): Record<string, string> {
  const lib = join(cache, 'usr', 'lib');
  const folders = readdirSync(lib, { withFileTypes: true, recursive: true });
  // Some lie deeper than the system's linker would look.
  const libraries = folders
    .filter((each) => each.isFile() && /\.so(?:\.|$)/.test(each.name))
    .map(({ parentPath }) => parentPath);
  const fonts = join(cache, 'fonts.conf');
  const families = [
    ['system-ui', 'DejaVu Sans'],
    ['sans-serif', 'DejaVu Sans'],
    ['monospace', 'DejaVu Sans Mono'],
  ]
    .map(
      ([name, family]) =>
        `<alias binding="same"><family>${name}</family><prefer><family>${family}</family></prefer></alias>`,
    )
    .join('');
  const usual =
    '<match target="pattern"><edit name="family" mode="append_last" binding="weak"><string>DejaVu Sans</string></edit></match>';
  const config = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>${cache}/usr/share/fonts</dir><dir>/usr/share/fonts</dir>${families}${usual}<cachedir>${cache}/fonts-cache</cachedir></fontconfig>`;
  mkdirSync(join(cache, 'fonts-cache'), { recursive: true });
  writeFileSync(fonts, config);
  return { LD_LIBRARY_PATH: [...new Set(libraries)].join(delimiter), FONTCONFIG_FILE: fonts };
}

function runs(found: ChromiumProgram): ChromiumProgram | null {
  const env = { ...process.env, ...found.env };
  const { status } = spawnSync(found.path, ['--version'], { env, timeout: 30_000 });
  return status === 0 ? found : null;
}

export function launch({ path, env }: ChromiumProgram): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    env: { ...(process.env as Record<string, string>), ...env },
    // Containers give it no sandbox of its own, and little shared memory; it opens this test alone.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}
