import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Bill, checkBill } from '../../../scripts/supply-chain/bill.ts';
import { checkImage } from '../../../scripts/supply-chain/image.ts';
import {
  allowedScripts,
  checkInstallScripts,
  checkSources,
  type LockedPackage,
  type LockFile,
} from '../../../scripts/supply-chain/lock.ts';
import { readSignatures } from '../../../scripts/supply-chain/signatures.ts';

const integrity = `sha512-${'a'.repeat(86)}==`;
const lockOf = (packages: Readonly<Record<string, LockedPackage>>): LockFile => ({
  lockfileVersion: 3,
  packages: { '': {}, ...packages },
});
const whole = { version: '1.0.0', integrity };

describe('the sources in the lock file', () => {
  it.each(['^1.2.3', '1 || 2', '>=1 <3', '~1.0.0-beta.1', '*', 'latest', 'npm:other@^2', ''])(
    'may be %j',
    (spec) => {
      expect(checkSources(lockOf({ 'node_modules/a': { ...whole, dependencies: { b: spec } } })))
        // Every kind is held to the same.
        .toEqual([]);
    },
  );

  it.each([
    'git+ssh://git@example.test/a/b.git',
    'git://example.test/a.git',
    'https://example.test/a.tgz',
    'http://example.test/a.tgz',
    'github:a/b',
    'a/b#semver:^1',
    'file:../b',
    'link:../b',
    'npm:other@https://example.test/a.tgz',
  ])('may not be %j, in any kind of dependency', (spec) => {
    for (const kind of [
      'dependencies',
      'devDependencies',
      'optionalDependencies',
      'peerDependencies',
    ]) {
      const found = checkSources(lockOf({ 'node_modules/a': { ...whole, [kind]: { b: spec } } }));
      expect(found, kind).toEqual([expect.stringContaining(`node_modules/a wants b from ${spec}`)]);
      expect(checkSources({ ...lockOf({}), packages: { '': { [kind]: { b: spec } } } })).toEqual([
        expect.stringContaining('package.json wants b'),
      ]);
    }
  });

  it.each([
    ['no checksum', { version: '1.0.0' }, 'has no SHA-512 checksum'],
    ['a weak one', { ...whole, integrity: 'sha1-aaaa=' }, 'has no SHA-512 checksum'],
    ['a link', { link: true }, 'is a link'],
  ])('must have a checksum: %s', (_what, entry, text) => {
    expect(checkSources(lockOf({ 'node_modules/a': entry }))).toEqual([
      expect.stringContaining(text),
    ]);
  });
});

describe('install scripts', () => {
  const page = `# D

## Install scripts

| package | runs | why |
| --- | --- | --- |
| \`a\` | yes | It must. |
| \`@s/*\` | no | It may not. |

## Next

| \`c\` | yes | In another table. |
`;
  const allowed = allowedScripts(page);
  const scripted = { ...whole, hasInstallScript: true };
  const both = { 'node_modules/a': scripted, 'node_modules/x/node_modules/@s/b': scripted };

  it('are those of the table, with a reason each', () => {
    expect(allowed).toEqual([
      { name: 'a', runs: true },
      { name: '@s/*', runs: false },
    ]);
    expect(allowedScripts('## Install scripts\n| `a` | yes |  |\n')).toEqual([]);
    expect(checkInstallScripts(lockOf(both), allowed, { a: true })).toEqual([]);
  });

  it.each([
    ['a new one', { ...both, 'node_modules/c': scripted }, { a: true }, /^c has an install script/],
    ['one that went', { 'node_modules/a': scripted }, { a: true }, /lists @s\/\*, which has no/],
    ['one that runs', both, { a: true, '@s/b': true }, /lets the install script of @s\/b run/],
    [
      'one that does not',
      both,
      { a: false },
      /install script of a runs, and package.json does not/,
    ],
  ] as const)(
    'are compared with the lock file and package.json: %s',
    (_what, packages, scripts, text) => {
      const found = checkInstallScripts(lockOf(packages), allowed, scripts);
      expect(found).toEqual([expect.stringMatching(text)]);
    },
  );
});

describe('the bill of materials', () => {
  const component = (name: string, more: object = {}) => ({
    'bom-ref': `${name}@1.0.0`,
    name,
    version: '1.0.0',
    licenses: [{ license: { id: 'MIT' } }],
    hashes: [{ alg: 'SHA-512', content: 'a'.repeat(128) }],
    ...more,
  });
  const billOf = (...components: readonly ReturnType<typeof component>[]): Bill => ({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    metadata: { component: component('verdict') },
    components,
    dependencies: [],
  });
  const lock: LockFile = {
    lockfileVersion: 3,
    packages: {
      '': { dependencies: { a: '1' }, devDependencies: { d: '1' } },
      'node_modules/a': { ...whole, dependencies: { b: '1' }, peerDependencies: { p: '1' } },
      'node_modules/a/node_modules/b': { ...whole, version: '2.0.0' },
      'node_modules/b': whole,
      'node_modules/d': { ...whole, dev: true },
      'node_modules/p': whole,
    },
  };
  const complete = [
    component('a'),
    component('b', { 'bom-ref': 'b@2.0.0', version: '2.0.0' }),
    component('p'),
  ];

  it('has all that is shipped', () => {
    expect(checkBill(billOf(...complete), lock)).toEqual([]);
    for (const [index, { name }] of complete.entries()) {
      const rest = complete.filter((_, at) => at !== index);
      expect(checkBill(billOf(...rest), lock)).toEqual([
        expect.stringMatching(new RegExp(`^${name}@.* not in the bill`)),
      ]);
    }
  });

  it.each([
    ['another licence', { licenses: [{ license: { id: 'GPL-3.0-only' } }] }, /GPL-3.0-only/],
    ['a choice of licences', { licenses: [{ expression: 'MIT OR Apache-2.0' }] }, /MIT OR/],
    ['no licence', { licenses: [] }, /does not name/],
    ['no checksum', { hashes: [] }, /no SHA-512 checksum/],
    ['no version', { version: undefined }, /has no version/],
  ])('is refused with %s', (_what, more, text) => {
    const found = checkBill(billOf(component('a', more)), lockOf({}));
    expect(found[0]).toMatch(text);
  });
});

describe('what the registry says of signatures', () => {
  it('fails for a wrong or missing one, and for no answer says that it skips', () => {
    expect(readSignatures('{"invalid":[],"missing":[]}')).toEqual({
      problems: [],
      text: 'signatures: all right',
    });
    const one = { name: 'a', version: '1.0.0' };
    expect(readSignatures(JSON.stringify({ invalid: [one], missing: [one] })).problems).toEqual([
      expect.stringContaining('a@1.0.0 has a signature that is wrong'),
      expect.stringContaining('a@1.0.0 has no signature'),
    ]);
    for (const silence of ['', 'npm error', '{"error":{"code":"ENOTFOUND"}}']) {
      expect(readSignatures(silence)).toEqual({
        problems: [],
        text: expect.stringContaining('skipped'),
      });
    }
  });
});

describe('the image and CI', () => {
  const root = new URL('../../../', import.meta.url);
  const read = (file: string) => readFileSync(new URL(file, root), 'utf8');
  const [dockerfile, ci] = [read('cluster/Dockerfile'), read('.ci/run')];
  const manifest = JSON.parse(read('package.json')) as { version: string; license: string };

  it('are as they should be', () => {
    expect(checkImage(dockerfile, ci, manifest)).toEqual([]);
  });

  it.each([
    ['npm install', (text: string) => text.replace('npm ci', 'npm install'), /Use npm ci/],
    ['another version', (text: string) => text.replace('version=0', 'version=9'), /version=/],
    ['root', (text: string) => text.replace(/^USER .*$/m, 'USER 0:0'), /not root/],
    ['a name', (text: string) => text.replace(/^USER .*$/m, 'USER node'), /by number/],
    ['no user', (text: string) => text.replace(/^USER .*$/m, ''), /not root/],
  ])('are refused with %s', (_what, change, text) => {
    expect(checkImage(change(dockerfile), ci, manifest)).toEqual([expect.stringMatching(text)]);
  });
});
