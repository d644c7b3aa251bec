/** Figures in the operator's tables are those of the code. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  type CoordinatorOptionName,
  coordinatorOptionNames,
  coordinatorOptionTable,
} from '../../../src/core/coordinator-options.ts';

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
