/** Builds and bundles both programs, and runs them on each runtime that is there. */
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { Stage } from '../../scripts/examples/stage.ts';
import { builtClone } from '../../test/support/process/built-clone.ts';
import { otherRuntimes, thisNode } from '../../test/support/process/runtimes.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const here = fileURLToPath(new URL('.', import.meta.url));

await using stage = new Stage(import.meta.url);
console.log('Building the package.');
const built = await builtClone();
const project = join(stage.data, 'project');
const modules = join(project, 'node_modules');
mkdirSync(modules, { recursive: true });
cpSync(join(built.path, 'dist/light'), join(modules, 'verdict-client'), { recursive: true });
cpSync(join(root, 'node_modules/ws'), join(modules, 'ws'), { recursive: true });
for (const name of ['till', 'pay']) cpSync(join(here, `${name}.ts`), join(project, `${name}.ts`));
const alone = join(stage.data, 'alone');
await build({
  absWorkingDir: project,
  entryPoints: ['till.ts', 'pay.ts'],
  bundle: true,
  minify: true,
  platform: 'node',
  format: 'esm',
  outExtension: { '.js': '.mjs' },
  outdir: alone,
  logLevel: 'warning',
});
console.log(`The client is one file of ${statSync(join(alone, 'pay.mjs')).size} bytes.`);

for (const { name, command } of [thisNode, ...(await otherRuntimes())]) {
  const [program = '', ...flags] = command;
  const on = { command: program, flags, env: { VERDICT_URL: await stage.coordinator() } };
  const directory = join(stage.data, name);
  await stage.service(join(alone, 'till.mjs'), { ...on, args: [directory], ready: /is ready/ });
  console.log(`On ${name}:`);
  // The second is the first once more, as after a lost answer.
  for (const args of [
    ['rent', '500'],
    ['rent', '500'],
    ['nothing', '0'],
  ]) {
    await stage.program(join(alone, 'pay.mjs'), { ...on, args });
  }
  await paidOnce(join(directory, 'book'));
}
console.log('The books are in order.');

/** A commit reaches the participant right after its answer. */
async function paidOnce(file: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  for (;;) {
    const book = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (/^\S+ 500\n$/.test(book)) return;
    if (performance.now() >= deadlineMs) throw new Error(`The books are not in order:\n${book}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
