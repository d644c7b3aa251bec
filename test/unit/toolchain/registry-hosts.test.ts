import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkLockFile, findRegistryHosts } from '../../../scripts/lint/registry-hosts.ts';

/** From parts, or the check would find this file. */
const host = ['registry.npm', 'js.org'].join('');

let place: string;

beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'verdict-hosts-'));
  execFileSync('git', ['init', '--quiet', place]);
});

afterEach(() => rmSync(place, { recursive: true, force: true }));

describe('The check for registry hosts', () => {
  it('names the line, in a file of any kind', () => {
    writeFileSync(join(place, 'clean.md'), 'Nothing here.\n');
    writeFileSync(join(place, 'notes.md'), `one\nhttps://${host}/two\n`);
    expect(findRegistryHosts(place)).toEqual(["notes.md:2 Names a package registry's host."]);
  });

  it('leaves out what git ignores', () => {
    writeFileSync(join(place, '.gitignore'), 'ignored\n');
    writeFileSync(join(place, 'ignored'), host);
    expect(findRegistryHosts(place)).toEqual([]);
  });
});

describe('The check of the lock file', () => {
  const whole = { version: '1.0.0', integrity: 'sha512-x' };

  it.each([
    ['an address', { ...whole, resolved: 'https://example.test/a.tgz' }, 'has an address'],
    ['no version', { integrity: 'sha512-x' }, 'lacks its version or checksum'],
    ['no checksum', { version: '1.0.0' }, 'lacks its version or checksum'],
  ])('refuses a package with %s', (_what, entry, message) => {
    const packages = { '': {}, 'node_modules/a': entry, 'node_modules/b': whole };
    writeFileSync(join(place, 'package-lock.json'), JSON.stringify({ packages }));
    expect(checkLockFile(place)).toEqual([expect.stringContaining(message)]);
  });
});
