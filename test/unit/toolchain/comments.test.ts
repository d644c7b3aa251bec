import { expect, it } from 'vitest';
import { commentProblems } from '../../../scripts/lint/comments.ts';

const long = 'word '.repeat(25).trim();
const tooLong = 'A comment of over 100 columns.';
/** From parts, or the check would find this file. */
const word = ['no', 'body'].join('');

it.each([
  ['a line', `// ${long}`, [[1, tooLong]]],
  ['a line further in', `x();\n    // ${long}`, [[2, tooLong]]],
  ['a block', `/** ${long} */`, [[1, tooLong]]],
  ['within a block', `/**\n * ${long}\n */`, [[2, tooLong]]],
  ['one that fits', `// ${long.slice(0, 97)}`, []],
  ['an address', `// https://example.test/${'x'.repeat(100)}`, []],
  ['code', `const text = '${long}';`, []],
  ['a word of a translation', `// ${word} waits`, [[1, `"${word}": say it in plain English.`]]],
  ['that word in code', `const name = '${word}';`, []],
])('%s', (_what, text, problems) => {
  expect(commentProblems(text)).toEqual(problems);
});
