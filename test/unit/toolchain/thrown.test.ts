import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../../src');
/** Ways to turn what was thrown into text that fail over what is no plain Error. */
const unguarded =
  /\bString\((error|cause|reason|thrown|failure|e)\)|instanceof Error\s*\?|\$\{(error|thrown)\}/;

it('what was thrown becomes text in src/core/thrown.ts alone', () => {
  const found = globSync('**/*.ts', { cwd: root })
    .filter((file) => file !== join('core', 'thrown.ts'))
    .filter((file) => unguarded.test(readFileSync(join(root, file), 'utf8')));
  expect(found).toEqual([]);
  expect(readFileSync(join(root, 'core/thrown.ts'), 'utf8')).toMatch(unguarded);
});
