/**
 * Part of the build: what `require('verdict/...')` gets. Since Node 22 a module can be required as
 * it is, and there is one of each in a process; an older Node would say ERR_REQUIRE_ESM, and not
 * that it is too old. A `require` that is not Node's own, such as Jest's, knows no modules: it gets
 * the same sources compiled to CommonJS.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const check = readFileSync(join(root, 'dist/system/check-node.js'), 'utf8').replace(
  /^export \{\};$/m,
  '',
);

mkdirSync(join(root, 'dist/require/commonjs'), { recursive: true });
writeFileSync(join(root, 'dist/require/commonjs/package.json'), '{"type":"commonjs"}\n');
writeFileSync(join(root, 'dist/require/check-node.cjs'), `'use strict';\n{\n${check}}\n`);
const notNode =
  'Verdict needs Node, and this is a browser or a build for one. In Jest, begin the test file with /** @jest-environment node */; docs/RUNTIMES.md has more.';
writeFileSync(
  join(root, 'dist/require/browser.cjs'),
  `'use strict';\nthrow new Error(${JSON.stringify(notNode)});\n`,
);
for (const entry of Object.values(exports)) {
  if (typeof entry === 'string') continue;
  const module = entry.default.replace('./dist/', '../');
  writeFileSync(
    join(root, entry.require.default),
    `'use strict';
require('./check-node.cjs');
try {
  module.exports = require('${module}');
} catch (error) {
  if (error?.code !== 'ERR_REQUIRE_ESM') throw error;
  module.exports = require('${module.replace('../', './commonjs/')}');
}
`,
  );
  writeFileSync(join(root, entry.require.types), `export * from '${module}';\n`);
}

/**
 * Libraries that declare other types for `require` than for `import`: what a CommonJS program has
 * of them must be what `verdict/...` means. All else of Verdict has one declaration for both.
 */
mkdirSync(join(root, 'dist/require/orm'), { recursive: true });
for (const name of ['kysely', 'drizzle']) {
  for (const file of [name, `orm/${name}`]) {
    const text = readFileSync(join(root, 'dist', `${file}.d.ts`), 'utf8').replaceAll(
      /(?<= ')\.{1,2}\/.*(?=')/g,
      (path) => {
        const target = join(dirname(join('dist', file)), path);
        const from = join('dist/require', dirname(file));
        return target === `dist/orm/${name}.ts` ? `./orm/${name}.cts` : relative(from, target);
      },
    );
    writeFileSync(join(root, 'dist/require', `${file}.d.cts`), text);
  }
}
