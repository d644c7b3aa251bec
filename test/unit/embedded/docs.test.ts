/** The first program of docs/EMBEDDED.md runs, and prints what it says. That all of them compile, test/unit/docs looks after. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Child } from '../../support/child.ts';
import { temporaryDirectory } from '../../support/stores.ts';

const root = new URL('../../../', import.meta.url);

it('the shortest whole program prints what its comment says', async () => {
  const text = await readFile(new URL('docs/EMBEDDED.md', root), 'utf8');
  const code = /^```ts\n([\s\S]*?)^```$/m.exec(text)?.[1] ?? '';
  const [, promised = ''] = /console\.log\(.*\); \/\/ (.+)/.exec(code) ?? [];
  expect(promised).not.toBe('');
  const directory = temporaryDirectory();
  try {
    const file = join(directory.path, 'program.ts');
    const entry = new URL('src/embedded.ts', root).href;
    await writeFile(file, code.replace("'verdict/embedded'", JSON.stringify(entry)));
    const child = new Child(file, { args: [] });
    expect(await child.exited).toEqual({ code: 0, signal: null });
    expect(child.lines).toEqual([promised]);
  } finally {
    directory.remove();
  }
});
