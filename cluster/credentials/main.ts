/**
 * Makes the credentials of the cluster of docker-compose.yml, once: a token for its peers, and
 * accounts at etcd, one for each role. They are kept in a volume that only this cluster's
 * containers mount; nothing secret is in the repository.
 *
 *   root     everything: for a person who repairs something
 *   verdict  reads and writes below /verdict/: the nodes
 *   reader   reads there: participants that look decisions up themselves, and whoever audits
 *
 * Each step may have been done before: what is interrupted is started again and goes on where it
 * was.
 */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Etcd3, Permission } from 'etcd3';
import { writeDurableFile } from '../../src/store/durable-file.ts';

const patienceMs = 60_000;
const pauseMs = 500;
const callTimeoutMs = 10_000;
/** What the nodes write lies below it, whatever the cluster is called. */
const prefix = Buffer.from('/verdict/');
const prefixEnd = Buffer.from('/verdict0');

const accounts = [
  { name: 'verdict', permission: Permission.Readwrite },
  { name: 'reader', permission: Permission.Read },
] as const;

const { values } = parseArgs({
  options: { etcd: { type: 'string' }, directory: { type: 'string' } },
});
const { etcd, directory } = values;
if (etcd === undefined || directory === undefined) {
  process.stderr.write('Usage: cluster/credentials/main.ts --etcd URL,URL --directory DIRECTORY\n');
  process.exit(2);
}

await secret('token');
const rootPassword = await secret('etcd-root');
const client = new Etcd3({
  hosts: etcd.split(','),
  defaultCallOptions: () => ({ deadline: Date.now() + callTimeoutMs }),
});
try {
  await patiently(setUp);
} finally {
  client.close();
}
process.stdout.write('The credentials are there.\n');

async function setUp(): Promise<void> {
  if (await hasAccounts()) return;
  const { auth } = client;
  for (const { name, permission } of accounts) {
    const password = await secret(`etcd-${name}`);
    await unlessThere(auth.roleAdd({ name }));
    await auth.roleGrantPermission({
      name,
      // By number: its types want names that its own messages do not know.
      perm: { permType: permission as never, key: prefix, range_end: prefixEnd },
    });
    await unlessThere(auth.userAdd({ name, password, options: { no_password: false } }));
    await auth.userGrantRole({ user: name, role: name });
  }
  await unlessThere(
    auth.userAdd({ name: 'root', password: rootPassword, options: { no_password: false } }),
  );
  await unlessThere(auth.roleAdd({ name: 'root' }));
  await auth.userGrantRole({ user: 'root', role: 'root' });
  // Last: from here on no one does anything without an account.
  await auth.authEnable();
}

/** Etcd asks for accounts already, and knows ours. */
async function hasAccounts(): Promise<boolean> {
  try {
    await client.auth.authenticate({ name: 'root', password: rootPassword });
    return true;
  } catch (error) {
    if (/authentication is not enabled/.test(String(error))) return false;
    throw error;
  }
}

async function unlessThere(done: Promise<unknown>): Promise<void> {
  await done.catch((error: unknown) => {
    if (!/already exists/.test(String(error))) throw error;
  });
}

async function secret(name: string): Promise<string> {
  const path = join(directory ?? '', name);
  if (!existsSync(path)) await writeDurableFile(path, `${randomBytes(32).toString('base64url')}\n`);
  return readFileSync(path, 'utf8').trim();
}

async function patiently(step: () => Promise<void>): Promise<void> {
  const giveUpAtMs = performance.now() + patienceMs;
  for (;;) {
    try {
      await step();
      return;
    } catch (error) {
      if (performance.now() > giveUpAtMs) throw error;
      process.stderr.write(`Etcd is not ready: ${String(error)}\n`);
    }
    await pause(pauseMs);
  }
}
