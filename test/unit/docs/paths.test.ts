/** Every file, folder, heading and npm script that the documentation names is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const folders = ['bin', 'cluster', 'docs', 'scripts', 'src', 'test'];
/** From the root: files and folders, each folder with a slash at its end. */
const paths = [
  ...readdirSync(root).filter((name) => /\.\w+$/.test(name)),
  ...folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true }).map((entry) => {
      const path = join(entry.parentPath, entry.name).slice(root.length);
      return entry.isDirectory() ? `${path}/` : path;
    }),
  ),
  ...folders.map((folder) => `${folder}/`),
];
const rooms = new Set([
  ...folders,
  ...['src', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name),
  ),
]);
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};

const documents = paths.filter((path) => path.endsWith('.md'));

/** What of a text names something that is not there. */
function missing(document: string, text: string): string[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '');
  const found: string[] = [];
  for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (!/^\w+:/.test(target) && !isLinked(document, target)) found.push(target);
  }
  for (const [, code = ''] of prose.matchAll(/`([^`\n]+)`/g)) {
    if (isPath(code) && !isThere(document, code)) found.push(code);
  }
  for (const [, script = ''] of text.matchAll(/npm run (?:-s )?([\w:-]+)/g)) {
    if (!(script in scripts)) found.push(`npm run ${script}`);
  }
  return found;
}

function isLinked(document: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const path = join(root, file === '' ? document : join(dirname(document), file));
  if (!existsSync(path)) return false;
  return anchor === undefined || headings(readFileSync(path, 'utf8')).includes(anchor);
}

/** As GitHub makes anchors of headings: a second one of the same text gets a number. */
function headings(text: string): string[] {
  const counts = new Map<string, number>();
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => {
    const slug = title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\- _]/gu, '')
      .replaceAll(' ', '-');
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
}

function isPath(code: string): boolean {
  if (!/^[\w.*{},-]+(?:\/[\w.*{},-]+)*\/?$/.test(code)) return false;
  const room = code.includes('/') && rooms.has(code.split('/')[0] ?? '');
  return room || /\.(?:ts|mjs|qnt|jsonc)$/.test(code);
}

/**
 * Whole from the root or from the document, or the end of such a path; the tests also without their
 * ending.
 */
function isThere(document: string, code: string): boolean {
  const pattern = code
    .replaceAll('.', String.raw`\.`)
    .replaceAll('*', '[^/]*')
    .replaceAll('{', '(?:')
    .replaceAll('}', ')')
    .replaceAll(',', '|');
  const anywhere = new RegExp(`(?:^|/)${pattern}(?:\\.test\\.ts)?/?$`);
  return (
    paths.some((path) => anywhere.test(path)) || existsSync(join(root, dirname(document), code))
  );
}

describe('the documentation', () => {
  it('has its pages', () => {
    expect(documents).toContain('README.md');
    expect(documents).toContain('docs/PROTOCOL.md');
    expect(documents).toContain('test/spec/README.md');
  });

  it.each(documents)('%s names only what is there', (document) => {
    expect(missing(document, readFileSync(join(root, document), 'utf8'))).toEqual([]);
  });

  it.each([
    ['[one](docs/NONE.md)', 'docs/NONE.md'],
    ['[one](docs/PROTOCOL.md#none)', 'docs/PROTOCOL.md#none'],
    ['`src/core/none.ts`', 'src/core/none.ts'],
    ['`core/none`', 'core/none'],
    ['`none.test.ts`', 'none.test.ts'],
    ['`npm run none`', 'npm run none'],
  ])('%s would be found', (text, expected) => {
    expect(missing('README.md', text)).toEqual([expected]);
  });

  it('greets with fewer than 700 words', () => {
    const words = readFileSync(join(root, 'README.md'), 'utf8').split(/\s+/).filter(Boolean);
    expect(words.length).toBeLessThan(700);
  });
});
