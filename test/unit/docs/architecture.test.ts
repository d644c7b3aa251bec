/** The table of folders in ARCHITECTURE.md is the lint rule's. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { adapters, foundation, rules } from '../../../scripts/lint/architecture.ts';

const text = readFileSync(new URL('../../../docs/ARCHITECTURE.md', import.meta.url), 'utf8');
const groups: Readonly<Record<string, readonly string[]>> = { foundation, adapters, nothing: [] };
const table = text.slice(text.indexOf('| folder of `src` |')).split('\n\n')[0] ?? '';
const rows = [...table.matchAll(/^\| `([\w-]+)` \| [^|]+ \| ([\w, -]+) \|$/gm)].map(
  ([, folder = '', imports = '']) => ({
    folder,
    imports: imports.split(', ').flatMap((name) => groups[name] ?? [name]),
  }),
);

it('has a row for each folder', () => {
  const folders = Object.keys(rules).filter((unit) => !unit.endsWith('.ts'));
  expect(rows.map(({ folder }) => folder).sort()).toEqual(folders.sort());
});

it.each(rows)('$folder may import what the rule allows', ({ folder, imports }) => {
  expect([...imports].sort()).toEqual([...(rules[folder]?.imports ?? [])].sort());
});

it('names the groups as the rule has them', () => {
  const prose = text.replaceAll(/\s+/g, ' ');
  expect(prose).toContain(`The **foundation** is ${listed(foundation)}.`);
  expect(prose).toContain(`The **adapters** are ${listed(adapters)}.`);
});

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
