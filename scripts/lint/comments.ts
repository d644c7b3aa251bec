/**
 * Comments keep to 100 columns, which the formatter does not see to, and to English words: some are
 * what a translation leaves behind.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const columns = 100;
const comment = /^\s*(?:\/\/|\/?\*)/;
const translated = /\b(?:nobody|for ever|(?:who|whoever) is told|of its own accord)\b/i;

/** What is wrong with the comments of a text, by line. */
export function commentProblems(text: string): readonly [line: number, problem: string][] {
  return text.split('\n').flatMap((line, index): [number, string][] => {
    // An address cannot be broken.
    if (!comment.test(line) || line.includes('://')) return [];
    const found: [number, string][] = [];
    if (line.length > columns) found.push([index + 1, `A comment of over ${columns} columns.`]);
    const word = translated.exec(line)?.[0];
    if (word !== undefined) found.push([index + 1, `"${word}": say it in plain English.`]);
    return found;
  });
}

if (import.meta.main) {
  const root = process.cwd();
  const places = ['bin', 'cluster', 'scripts', 'src', 'test'].flatMap((folder) =>
    ['ts', 'mjs'].map((ending) => `${folder}/*.${ending}`),
  );
  const tracked = execFileSync('git', ['ls-files', '-z', ...places], {
    cwd: root,
    encoding: 'utf8',
    timeout: 30_000,
  });
  for (const file of tracked.split('\0').filter((name) => name !== '')) {
    for (const [line, problem] of commentProblems(readFileSync(join(root, file), 'utf8'))) {
      console.error(`${file}:${line} ${problem}`);
      process.exitCode = 1;
    }
  }
}
