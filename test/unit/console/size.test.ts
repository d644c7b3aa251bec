/** What a node serves as its console is small, whole, and free of what its policy forbids. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = join(root, 'dist', 'console');
const maxBytes = 150_000;

let files: ReadonlyMap<string, Buffer>;
beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'scripts', 'setup', 'console.mjs')]);
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  const named = names.filter((name) => /\.(?:html|js|css|svg)$/.test(name));
  files = new Map(named.map((name) => [name, readFileSync(join(folder, name))]));
}, 120_000);

it('is less than 150 kB on its way', () => {
  const total = [...files.values()].reduce((sum, body) => sum + gzipSync(body).length, 0);
  expect(files.size).toBeGreaterThanOrEqual(4);
  expect(total).toBeLessThan(maxBytes);
});

it('names nothing elsewhere, and runs nothing that is written into the page', () => {
  const html = String(files.get('index.html'));
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|style=/);
  for (const [, link] of html.matchAll(/(?:src|href)="([^"]*)"/g)) {
    expect(link).toMatch(/^\/console\/assets\//);
  }
  for (const [name, body] of files) {
    const text = String(body).replaceAll(/http:\/\/www\.w3\.org\/\S*?(?=["'`\s>])/g, '');
    expect(text, name).not.toMatch(
      /https?:\/\/[\w-]+\.[\w.-]+|\beval\(|new Function\(|sourceMappingURL/,
    );
  }
});

it('brings the licences of what is bundled', () => {
  const text = readFileSync(join(folder, 'LICENSES.txt'), 'utf8');
  expect(text).toContain('preact');
  expect(text).toContain('uplot');
});
