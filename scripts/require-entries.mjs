/**
 * Part of the build: what `require('verdict/...')` gets. Since Node 22 a module can be required as it is; an older Node
 * would say ERR_REQUIRE_ESM, and not that it is too old.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const check = readFileSync(join(root, 'dist/system/check-node.js'), 'utf8').replace(
  /^export \{\};$/m,
  '',
);

mkdirSync(join(root, 'dist/require'), { recursive: true });
writeFileSync(join(root, 'dist/require/check-node.cjs'), `'use strict';\n{\n${check}}\n`);
for (const entry of Object.values(exports)) {
  if (typeof entry === 'string') continue;
  const module = entry.default.replace('./dist/', '../');
  writeFileSync(
    join(root, entry.require.default),
    `'use strict';\nrequire('./check-node.cjs');\nmodule.exports = require('${module}');\n`,
  );
  writeFileSync(join(root, entry.require.types), `export * from '${module}';\n`);
}
