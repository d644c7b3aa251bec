import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { etcdAccess, openLog } from '../../../src/cli/open-log.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { runMain } from '../../support/process/cli-io.ts';

let root: ReturnType<typeof temporaryDirectory>;
beforeEach(() => {
  root = temporaryDirectory();
});
afterEach(() => {
  vi.restoreAllMocks();
  root.remove();
});

function secret(name: string, mode: number): string {
  const file = join(root.path, name);
  writeFileSync(file, 'secret\n');
  chmodSync(file, mode);
  return file;
}

const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a';

it.skipIf(process.platform === 'win32')(
  "etcd's password and key are read from files that others can read, with a loud word, once for each",
  async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const [password, key, own] = [
      secret('pw', 0o644),
      secret('key', 0o640 | 0o004),
      secret('own', 0o600),
    ];
    const user = { etcdUser: 'verdict' };
    const tls = { etcdCa: own, etcdCert: own, etcdKey: key };
    const access = await etcdAccess({ ...user, etcdPasswordFile: password, ...tls });
    expect(access.auth?.password).toBe('secret');
    expect(access.tls?.key).toEqual({ file: key });
    await etcdAccess({ ...user, etcdPasswordFile: password });
    await etcdAccess({ ...user, etcdPasswordFile: own });
    expect(warn.mock.calls.map(([text]) => text)).toEqual([
      expect.stringMatching(/^The key for etcd in .*key is open to others.*Run chmod 600/),
      expect.stringMatching(/^The password for etcd in .*pw is open to others.*Run chmod 600/),
    ]);
  },
);

it.skipIf(process.platform === 'win32')(
  'a node says it in its log, and prints no line of another form beside it',
  async () => {
    const printed = vi.spyOn(process, 'emitWarning').mockReturnValue();
    const warn = vi.fn();
    // Its directory is none, so that it ends before it looks for etcd.
    const flags = {
      data: secret('data', 0o600),
      node: 'a',
      etcd: ['http://127.0.0.1:1'],
      cluster: 'shop',
      etcdUser: 'verdict',
      etcdPasswordFile: secret('pw', 0o644),
    };
    await openLog(flags, {
      url: 'ws://127.0.0.1:7070/v1',
      logger: { ...silentLogger, warn },
      onFatal: () => {},
      access: () => 'open',
    }).catch(() => {});
    expect(warn.mock.calls.map(([, text]) => text)).toContainEqual(
      expect.stringMatching(/^The password for etcd in .*pw is open to others/),
    );
    expect(printed).not.toHaveBeenCalled();
  },
);

it('a file that is not there is named, whatever it was for', async () => {
  const missing = join(root.path, 'missing');
  const place = ['decision', txid, '--etcd', 'http://127.0.0.1:1', '--etcd-user', 'verdict'];
  const { errors, exitCode } = await runMain([...place, '--etcd-password-file', missing]);
  expect(errors).toMatch(/^error: The password for etcd cannot be read: ENOENT.*missing/);
  expect(exitCode).toBe(1);
});
