/**
 * Prose of the documents keeps to 100 columns, so that a diff shows what changed and no more, and
 * to English words: these are what a translation leaves behind.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const columns = 100;
const documents = ['.', 'docs', 'docs/adr', 'test/spec', 'test/simulation'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name)),
);

/** Numbers of the lines that could be broken: no code, no table, and blanks outside of `code`. */
function tooLong(text: string): number[] {
  const prose = text.replaceAll(/^ *```[\s\S]*?^ *```$/gm, (code) => code.replaceAll(/.+/g, ''));
  return prose.split('\n').flatMap((line, index) => {
    const isCode =
      line.startsWith('    ') && !/^\s+(?:[-*]|\d+\.) /.test(line) && isAlone(prose, index);
    if (line.length <= columns || line.startsWith('|') || isCode) return [];
    const words = line
      .trim()
      .replaceAll(/`[^`]*`/g, 'code')
      .split(' ');
    return words.length > 2 ? [index + 1] : [];
  });
}

/** Code that is only indented stands behind an empty line, or behind more of it. */
function isAlone(text: string, index: number): boolean {
  const before = text
    .split('\n')
    .slice(0, index)
    .findLast((line) => !line.startsWith('    '));
  return before === undefined || before === '';
}

it.each(documents)('%s keeps to 100 columns', (document) => {
  expect(tooLong(readFileSync(join(root, document), 'utf8'))).toEqual([]);
});

const translated =
  /\b(?:(?:no|every|any|some)body|for ever|belongs? into|(?:who|whoever) is told|of its own accord|lets? pass)\b/i;

it.each(documents)('%s has none of the words of a translation', (document) => {
  const lines = readFileSync(join(root, document), 'utf8').split('\n');
  expect(lines.filter((line) => translated.test(line))).toEqual([]);
});

const long = 'word '.repeat(25).trim();

it.each([
  ['a paragraph', long, [1]],
  ['an item', `- ${long}`, [1]],
  ['a nested item', `- one\n    - ${long}`, [2]],
  ['an item of code alone', `- \`${long}\``, []],
  ['a table', `| ${long} |`, []],
  ['a block of code', `\`\`\`sh\n${long}\n\`\`\``, []],
  ['indented code', `Run:\n\n    ${long}`, []],
])('%s', (_what, text, found) => {
  expect(tooLong(text)).toEqual(found);
});
