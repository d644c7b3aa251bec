/**
 * Figures in the operator's tables, and what an editor shows of an option, are those of the code.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  type CoordinatorOptionName,
  coordinatorOptionNames,
  coordinatorOptionTable,
} from '../../../src/core/coordinator-options.ts';
import type { OptionEntry } from '../../../src/core/options.ts';
import { participantOptionTable } from '../../../src/core/participant-options.ts';

const text = readFileSync(new URL('../../../docs/OPERATING.md', import.meta.url), 'utf8');
/** `| `name`, `name` | 1,000; 5,000 | ...`: names, and as many figures. */
const rows = [...text.matchAll(/^\| (`\w+`(?:, `\w+`)*) \| ([\d,; ]+) \|/gm)].flatMap(
  ([, names = '', figures = '']) => {
    const defaults = figures.split(';').map((each) => Number(each.replaceAll(',', '')));
    return names.split(', ').map((name, index) => ({
      name: name.replaceAll('`', ''),
      value: defaults[index],
    }));
  },
);

it('finds the table', () => {
  expect(rows.map(({ name }) => name)).toContain('maxBreakerPauseMs');
});

it.each(rows)('$name: the default that the code has', ({ name, value }) => {
  expect(coordinatorOptionNames).toContain(name);
  expect(coordinatorOptionTable[name as CoordinatorOptionName].default).toBe(value);
});

/** Of a file's properties, each comment in one line. */
function comments(file: string): Map<string, string> {
  const source = readFileSync(new URL(`../../../src/${file}`, import.meta.url), 'utf8');
  const properties = source.matchAll(
    /\/\*\*((?:[^*]|\*(?!\/))*)\*\/\s+readonly (\w+)\??: number;/g,
  );
  return new Map(
    [...properties].map(([, text = '', name = '']) => [
      name,
      text.replaceAll(/\s+\*?\s*/g, ' ').trim(),
    ]),
  );
}

it.each<[string, Readonly<Record<string, OptionEntry>>, number]>([
  ['core/participant-options.ts', participantOptionTable, 10],
  ['embedded/options.ts', coordinatorOptionTable, 19],
])('%s: the comment of each option says what its table does', (file, table, count) => {
  const said = comments(file);
  expect(said.size).toBe(count);
  for (const [name, text] of said) {
    const { meaning, zero, default: value } = table[name] ?? expect.fail(name);
    const ofZero = zero === undefined ? '' : ` 0: ${zero}`;
    expect(text, name).toBe(`${meaning}${ofZero} Default ${value.toLocaleString('en')}.`);
  }
});
