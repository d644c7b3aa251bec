/** The picture in ARCHITECTURE.md shows the folders there are, and its table is the lint rule's. */
import { readdirSync, readFileSync } from 'node:fs';
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

const root = new URL('../../../', import.meta.url);
const picture = /^```text\n([\s\S]*?)^```$/m.exec(text)?.[1] ?? '';
/**
 * Folders that it names whole, such as `src/core/term/`; below each, those that follow it alone.
 */
const shown = foldersOf(picture);

it('shows only folders that there are', () => {
  expect([...shown.keys()].filter((folder) => !isThere(folder))).toEqual([]);
  for (const [folder, inside] of shown)
    expect([folder, ...missing(folder, inside)]).toEqual([folder]);
});

it.each(['src', 'src/core'])('shows every folder of %s', (parent) => {
  const names = [...shown.keys()].filter((folder) => folder.startsWith(`${parent}/`));
  const children = names.map((folder) => folder.split('/')[parent.split('/').length]);
  expect([...new Set(children)].sort()).toEqual(within(parent));
});

it.each(['src/core/term', 'scripts', 'test', 'test/support', 'cluster'])(
  'shows every room of %s',
  (parent) => expect([...(shown.get(parent) ?? [])].sort()).toEqual(within(parent)),
);

function foldersOf(drawn: string): ReadonlyMap<string, string[]> {
  const found = new Map<string, string[]>();
  let inside: string[] = [];
  for (const line of drawn.split('\n')) {
    for (const { 0: path, index } of line.matchAll(/[\w-]+(?:\/[\w-]+)*\/(?!\w)/g)) {
      const name = path.slice(0, -1);
      if (!name.includes('/') && index > 0) inside.push(name);
      else {
        const rooms = found.get(name) ?? [];
        found.set(name, rooms);
        if (/^\W*$/.test(line.slice(0, index))) inside = rooms;
      }
    }
  }
  return found;
}

function isThere(folder: string): boolean {
  const at = folder.lastIndexOf('/');
  return within(folder.slice(0, Math.max(at, 0))).includes(folder.slice(at + 1));
}

function missing(folder: string, inside: readonly string[]): string[] {
  return inside.filter((name) => !within(folder).includes(name));
}

function within(folder: string): string[] {
  return readdirSync(new URL(folder === '' ? './' : `${folder}/`, root), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
