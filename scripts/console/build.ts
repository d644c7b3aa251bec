/** The console into dist/console: for `npm run build`, the image, and the set-up of the clone. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('../../', import.meta.url));
const outDir = join(root, 'dist', 'console');

await build({
  configFile: false,
  root: join(root, 'src', 'console'),
  base: '/console/',
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir,
    emptyOutDir: true,
    target: 'es2022',
    // The policy of the page allows no `data:`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});

/** What is bundled is passed on, and so is what its authors ask for. */
const bundled = ['preact', 'uplot'];
const texts = bundled.map((name) => {
  const text = readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8').trim();
  return `${name}\n\n${text}\n`;
});
writeFileSync(join(outDir, 'LICENSES.txt'), texts.join('\n----\n\n'));
