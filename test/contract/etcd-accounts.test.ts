/** `verdict etcd-setup`: what each account can do at a real etcd, and what it cannot. */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Member } from '../../src/core/retired.ts';
import type { Txid } from '../../src/core/txid.ts';
import { EtcdKeys } from '../../src/decision-log/etcd/keys.ts';
import { openEtcdReader } from '../../src/decision-log/etcd/reader.ts';
import { nested, put } from '../../src/decision-log/etcd/requests.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { EtcdRig } from '../support/etcd/etcd-rig.ts';
import {
  commitOf,
  issuedAt,
  never,
  realClock,
  realRandom,
  temporaryDirectory,
} from '../support/logs/stores.ts';
import { makeCertificates } from '../support/nodes/certificates.ts';
import { runMain } from '../support/process/cli-io.ts';

const etcds = await etcdsToTest();
const kinds = ['node', 'participant', 'resolver', 'operator'] as const;
type Kind = (typeof kinds)[number];

interface Report {
  readonly passwordFiles: readonly string[];
  readonly etcds: readonly {
    readonly steps: readonly string[];
    readonly authentication: string;
    readonly tried: number;
    readonly problems: readonly string[];
  }[];
}

async function setUp(
  ...argv: readonly string[]
): Promise<{ readonly exitCode: number; readonly errors: string; readonly report: Report | null }> {
  const { exitCode, out, errors } = await runMain(['etcd-setup', ...argv, '--json']);
  return { exitCode, errors, report: out === '' ? null : (JSON.parse(out) as Report) };
}

function accountIn(directory: string, cluster: string, kind: Kind) {
  const password = readFileSync(join(directory, `etcd-${kind}`), 'utf8').trim();
  return { username: `verdict-${cluster}-${kind}`, password };
}

/** Whether this etcd has mended its advisory GHSA-rfx7-8w68-q57q, seen without our own check. */
async function checksNested(
  hosts: string,
  auth: { readonly username: string; readonly password: string },
): Promise<boolean> {
  const client = new Etcd3({ hosts, auth });
  try {
    const inner = nested({ success: [put(Buffer.from('/a-test'), Buffer.of())] });
    await client.kv.txn({ success: [inner] });
    return false;
  } catch (error) {
    expect(String(error)).toContain('permission denied');
    return true;
  } finally {
    client.close();
  }
}

describe.skipIf(etcds.length === 0).each(etcds)('accounts at etcd at $etcd', (programs) => {
  const directory = temporaryDirectory();
  const passwords = join(directory.path, 'passwords');
  let etcd: TestEtcd;
  let rig: EtcdRig;
  let first: Awaited<ReturnType<typeof setUp>>;
  const clients: Etcd3[] = [];

  const account = (kind: Kind) => accountIn(passwords, rig.cluster, kind);
  const options = (...more: readonly string[]): string[] => [
    ...['--etcd', etcd.endpoints.join(), '--cluster', rig.cluster],
    ...['--password-directory', passwords, ...more],
  ];
  const clientOf = (auth: { readonly username: string; readonly password: string }): Etcd3 => {
    const client = new Etcd3({ hosts: [...etcd.endpoints], auth });
    clients.push(client);
    return client;
  };
  const rootClient = () =>
    clientOf({
      username: 'root',
      password: readFileSync(join(passwords, 'etcd-root'), 'utf8').trim(),
    });
  const reader = (kind: Kind, clusterId: string | null) =>
    openEtcdReader({
      clusterId,
      endpoints: etcd.endpoints,
      cluster: rig.cluster,
      auth: account(kind),
      clock: realClock,
      random: realRandom,
    });
  const asker: Member = { participant: 'p', instance: 'i', sharedResource: null };

  beforeAll(async () => {
    etcd = await TestEtcd.start(programs);
    rig = new EtcdRig(etcd.endpoints);
    mkdirSync(passwords, { mode: 0o700 });
    writeFileSync(join(passwords, 'etcd-operator'), 'given\n', { mode: 0o600 });
    first = await setUp(...options('--shards', '2', '--resolver', '--enable-auth', '--check'));
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await rig.dispose();
    await etcd.dispose();
    directory.remove();
  });

  it('are made with passwords in files of their own, and one that was given is taken', async () => {
    expect(first.errors).toBe('');
    expect(first.report?.etcds[0]?.authentication).toBe('on');
    expect(readdirSync(passwords).sort()).toEqual(
      [...kinds, 'root'].map((name) => `etcd-${name}`).sort(),
    );
    for (const name of readdirSync(passwords)) {
      expect(statSync(join(passwords, name)).mode & 0o777, name).toBe(0o600);
    }
    expect(account('operator').password).toBe('given');
    expect(account('node').password).toMatch(/^[\w-]{43}$/);
    const nobody = new Etcd3({ hosts: [...etcd.endpoints] });
    clients.push(nobody);
    await expect(nobody.get('/').string()).rejects.toThrow('user name is empty');
  });

  it('are tried out by --check, which finds what this etcd does not check', async () => {
    const [one] = first.report?.etcds ?? [];
    expect(one?.tried).toBeGreaterThan(100);
    const holds = await checksNested(etcd.member.endpoint, account('participant'));
    expect({ exitCode: first.exitCode, problems: one?.problems }).toEqual(
      holds
        ? { exitCode: 0, problems: [] }
        : { exitCode: 4, problems: [expect.stringContaining('GHSA-rfx7-8w68-q57q')] },
    );
  });

  it('do the whole work of a node, of a participant in doubt, and of an operator', async () => {
    const log = await rig.open('alpha', { auth: account('node'), shards: 2, compact: true });
    const leadership = await log.campaign(1, { signal: never, tickMs: 1 });
    const issued = [0, 1, 2, 3, 4].map((sequence) =>
      issuedAt(log.meta, leadership.epoch, sequence + 1, 1),
    );
    const at = (index: number) => issued[index] as Txid;
    expect(await leadership.decide(commitOf(at(1)))).toEqual({ type: 'written' });
    expect(await leadership.decide(commitOf(at(2)))).toEqual({ type: 'written' });
    await leadership.finish([at(1)]);
    await leadership.tick(1);
    await log.retire({ participant: 'p', instance: 'gone' });
    expect(log.nodes()).toHaveLength(1);

    const participant = await reader('participant', log.meta.clusterId);
    const resolver = await reader('resolver', log.meta.clusterId);
    try {
      expect((await participant.read(at(1), asker)).record?.outcome).toBe('commit');
      expect((await participant.read(at(2), asker)).record?.outcome).toBe('commit');
      const gone = { ...asker, instance: 'gone' };
      expect((await participant.read(at(2), gone)).retired).toBe(true);
      // What is decided a participant may ask with `resolve`; to force an abort is a right more.
      expect((await participant.resolve(at(2), asker)).record?.outcome).toBe('commit');
      await expect(participant.resolve(at(3), asker)).rejects.toThrow('permission denied');
      expect((await participant.read(at(3), asker)).record).toBeNull();
      expect((await resolver.resolve(at(3), asker)).record?.outcome).toBe('abort');
    } finally {
      await participant.close();
      await resolver.close();
    }

    const asOperator = [
      ...['--etcd', etcd.endpoints.join(), '--cluster', rig.cluster, '--json', '--yes'],
      ...['--etcd-user', account('operator').username],
      ...['--etcd-password-file', join(passwords, 'etcd-operator')],
    ];
    const forced = await runMain(['decision', at(4), '--resolve', ...asOperator]);
    expect(forced.errors).toBe('');
    expect(JSON.parse(forced.out)).toMatchObject({
      ...{ decision: 'abort', source: 'forced' },
      issued: null,
    });
    const known = await runMain([
      'decision',
      at(2),
      ...asOperator.filter((one) => one !== '--yes'),
    ]);
    expect(JSON.parse(known.out)).toMatchObject({ decision: 'commit', issued: true });
    const mistyped = at(0).replace(/.$/, (digit) => (digit === 'a' ? 'b' : 'a'));
    const text = await runMain([
      ...['decision', mistyped],
      ...asOperator.filter((one) => one !== '--yes' && one !== '--json'),
    ]);
    expect(text.out).toContain('Whether any leader gave it out is not known');
    await log.close();
    const raised = await runMain(['raise-generation', ...asOperator]);
    expect(raised.errors).toBe('');
    expect(JSON.parse(raised.out)).toMatchObject({ generation: 1 });
    const again = await rig.open('alpha', { auth: account('node') });
    expect(again.meta.generation).toBe(1);
    await again.close();
  });

  it.each([
    ['participant', 'write', 'shards/0/decisions/x'],
    ['participant', 'write', 'meta'],
    ['participant', 'write', 'retired/x'],
    ['participant', 'read', 'shards/0/requests/x'],
    ['participant', 'read', 'shards/2/decisions/x'],
    ['participant', 'read', 'nodes/alpha'],
    ['participant', 'read', 'bound/x'],
    ['participant', 'read', 'issuing-secret'],
    ['resolver', 'read', 'issuing-secret'],
    ['operator', 'read', 'issuing-secret'],
    ['operator', 'write', 'issuing-secret'],
    ['participant', 'write', 'bound/x'],
    ['resolver', 'write', 'shards/0/leader'],
    ['resolver', 'write', 'shards/0/finished/x'],
    ['resolver', 'write', 'shards/0/floor'],
    ['resolver', 'write', 'bound/x'],
    ['operator', 'write', 'nodes/alpha'],
    ['operator', 'write', 'shards/0/floor'],
    ['operator', 'write', 'retired/x'],
    ['operator', 'write', 'bound/x'],
    ['node', 'read', '../other/meta'],
    ['node', 'write', '../other/meta'],
    ['node', 'write', '../'],
    ['node', 'write', '../../elsewhere'],
    ['participant', 'read', '../other/meta'],
    ['resolver', 'write', '../other/shards/0/decisions/x'],
    ['operator', 'write', '../other/meta'],
  ] as const)('%s may not %s %s', async (kind, how, rest) => {
    // As a person reads it: `..` is the cluster beside this one.
    const [, up = '', name] = /^((?:\.\.\/)*)(.*)$/.exec(rest) ?? [];
    const base = ['/verdict/', `${rig.cluster}/`].slice(0, 2 - up.length / 3).join('');
    const key = `${base}${name}`;
    const client = clientOf(account(kind));
    const act = how === 'read' ? client.get(key).string() : client.put(key).value('1');
    await expect(act).rejects.toThrow('permission denied');
  });

  it.each(['participant', 'resolver', 'operator'] as const)(
    '%s does not see the secret by watching on from what it may read',
    async (kind) => {
      const keys = new EtcdKeys(rig.cluster);
      // As when it was made: that was compacted by now.
      const root = rootClient();
      const value = (await root.get(keys.secret).buffer()) ?? Buffer.of();
      await root.kv.put({ key: keys.secret, value });
      const { kvs } = await root.kv.range({ key: keys.secret });
      const end = `/verdict/${rig.cluster}/z`;
      const client = clientOf(account(kind));
      const exact = [keys.meta, keys.shard(0).floor, keys.shard(0).leader, keys.shard(1).floor];
      for (const key of exact) {
        const seen: string[] = [];
        const ended = Promise.withResolvers<void>();
        const watcher = client
          .watch()
          .inRange({ start: key, end: Buffer.of(0) })
          .startRevision(kvs[0]?.mod_revision ?? '')
          .watcher();
        watcher.on('error', () => ended.resolve());
        watcher.on('put', ({ key: put }) => {
          seen.push(put.toString());
          if (put.toString() === end) ended.resolve();
        });
        // Refused, or told of what comes after the key.
        await root.put(end).value('1');
        await Promise.race([ended.promise, new Promise((resolve) => setTimeout(resolve, 2_000))]);
        await watcher.cancel().catch(() => undefined);
        expect(seen).not.toContain(keys.secret.toString());
      }
    },
  );

  it('of one cluster read nothing of another at the same etcd', async () => {
    const others = join(directory.path, 'others');
    const { exitCode, errors } = await setUp(
      ...['--etcd', etcd.endpoints.join(), '--cluster', 'other', '--shards', '1'],
      ...['--password-directory', others, '--etcd-user', 'root'],
      ...['--etcd-password-file', join(passwords, 'etcd-root')],
    );
    expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: '' });
    for (const kind of ['node', 'participant', 'operator'] as const) {
      const client = clientOf(accountIn(others, 'other', kind));
      expect(await client.get('/verdict/other/meta').string()).toBeNull();
      const meta = new EtcdKeys(rig.cluster).meta.toString();
      await expect(client.get(meta).string()).rejects.toThrow('permission denied');
    }
  });

  describe('set up again', () => {
    const role = () => `verdict-${rig.cluster}-participant`;
    beforeEach(async () => {
      await setUp(...options('--resolver'));
    });
    const steps = async (...more: readonly string[]) =>
      (await setUp(...options('--resolver', ...more))).report?.etcds[0]?.steps;

    it('are left as they are', async () => {
      expect(await steps()).toEqual([]);
      expect(await steps('--enable-auth')).toEqual([]);
    });

    it('lose what was given beyond, and get back what was taken', async () => {
      const { auth } = rootClient();
      const perm = { permType: 2 as never, key: Buffer.from('/'), range_end: Buffer.from('0') };
      await auth.roleGrantPermission({ name: role(), perm });
      const [key = Buffer.of(), range_end = Buffer.of()] = [
        new EtcdKeys(rig.cluster).retired.key,
        new EtcdKeys(rig.cluster).retired.range_end,
      ];
      await auth.roleRevokePermission({ role: role(), key, range_end });
      const expected = [
        `took from ${role()}: read and write all below /`,
        `let ${role()} read all below /verdict/${rig.cluster}/retired/`,
      ];
      expect(await steps('--dry-run')).toEqual(expected);
      // It had only said so.
      expect(await steps()).toEqual(expected);
      expect(await steps()).toEqual([]);
    });

    it('are told to have a role too many, which is not taken', async () => {
      const { auth } = rootClient();
      const user = account('participant').username;
      const extra = `verdict-${rig.cluster}-node`;
      await auth.userGrantRole({ user, role: extra });
      const { exitCode, report } = await setUp(...options('--resolver', '--check'));
      await auth.userRevokeRole({ name: user, role: extra });
      expect(exitCode).toBe(4);
      const problems = report?.etcds[0]?.problems.join('\n') ?? '';
      expect(problems).toContain(`also has the role ${extra}`);
      // Tried out, too.
      expect(problems).toContain(`${user} may write /verdict/${rig.cluster}/meta, and should not`);
      expect(problems).toContain(
        `${user} may read /verdict/${rig.cluster}/issuing-secret, and should not`,
      );
    });

    it('get the password that is in the file', async () => {
      writeFileSync(join(passwords, 'etcd-node'), 'another\n', { mode: 0o600 });
      expect(await steps()).toEqual([`set the password of verdict-${rig.cluster}-node`]);
      const node = clientOf({ ...account('node'), password: 'another' });
      await node.get(`/verdict/${rig.cluster}/meta`).string();
    });

    it('say who may set them up', async () => {
      const as = async (username: string, file: string) => {
        const all = options('--etcd-user', username, '--etcd-password-file', join(passwords, file));
        const { exitCode, errors } = await setUp(...all);
        return { exitCode, errors };
      };
      expect(await as(account('operator').username, 'etcd-operator')).toEqual({
        exitCode: 4,
        errors: expect.stringContaining('only users with the role root'),
      });
      expect(await as('root', 'etcd-operator')).toEqual({
        exitCode: 4,
        errors: expect.stringContaining('does not know this user with this password'),
      });
      const { exitCode, errors } = await setUp(
        ...['--etcd', etcd.endpoints.join(), '--cluster', rig.cluster, '--certificate', 'node=x'],
      );
      expect({ exitCode, errors }).toEqual({
        exitCode: 4,
        errors: expect.stringContaining('asks for an account'),
      });
    });

    it('are for the shards that the cluster has', async () => {
      const wrong = await setUp(...options('--shards', '3'));
      expect(wrong.exitCode).toBe(2);
      expect(wrong.errors).toContain('was made with 2 shards');
      const unknown = ['--etcd', etcd.endpoints.join(), '--cluster', 'not-yet'];
      const none = await setUp(...unknown, '--password-directory', passwords);
      expect(none.exitCode).toBe(2);
      expect(none.errors).toContain('Give --shards');
    });
  });

  it('are not made with a password that others can read', async () => {
    const file = join(passwords, 'etcd-node');
    chmodSync(file, 0o644);
    const { exitCode, errors } = await setUp(...options('--resolver'));
    chmodSync(file, 0o600);
    expect(exitCode).toBe(1);
    expect(errors).toContain('is open to others');
  });
});

describe.skipIf(etcds.length === 0).each(etcds)('accounts not in use yet at $etcd', (programs) => {
  let etcd: TestEtcd;
  const directory = temporaryDirectory();
  beforeEach(async () => {
    etcd = await TestEtcd.start(programs);
  });
  afterEach(() => etcd.dispose());
  afterAll(() => directory.remove());

  it('stay so without --enable-auth, and without a root that could be let in', async () => {
    const where = ['--etcd', etcd.endpoints.join(), '--cluster', 'c', '--shards', '1'];
    const before = await setUp(...where, '--certificate', 'node=a', '--certificate', 'node=b');
    expect(before.exitCode).toBe(0);
    expect(before.report?.etcds[0]).toMatchObject({ authentication: 'off', problems: [] });
    expect(before.report?.etcds[0]?.steps).toEqual(
      expect.arrayContaining([
        'made the user a, without a password',
        'gave b the role verdict-c-node',
      ]),
    );
    const client = new Etcd3({ hosts: [...etcd.endpoints] });
    expect(await client.get('/').string()).toBeNull();
    client.close();
    const rootless = await setUp(...where, '--certificate', 'node=a', '--enable-auth');
    expect(rootless.exitCode).toBe(4);
    expect(rootless.report?.etcds[0]?.problems[0]).toContain('Etcd has no user root');
    expect(rootless.report?.etcds[0]?.authentication).toBe('off');
    const untried = await setUp(...where, '--certificate', 'node=a', '--check');
    expect(untried.exitCode).toBe(4);
    expect(untried.report?.etcds[0]?.problems[0]).toContain('nothing is refused');
    expect((await setUp(...where)).errors).toContain('Say how the processes show who they are');
  });

  it('are made at each etcd of a map, each with the rights to its shards', async () => {
    const second = await TestEtcd.start(programs);
    const map = [`0=${etcd.member.endpoint}`, `1-2=${second.member.endpoint}`];
    const rig = new EtcdRig(map);
    const passwords = join(directory.path, 'map');
    try {
      const { errors, report } = await setUp(
        ...['--etcd', map.join(';'), '--cluster', rig.cluster],
        ...['--password-directory', passwords, '--enable-auth'],
      );
      expect(errors).toBe('');
      expect(report?.etcds.map(({ steps }) => steps.filter((text) => /leader/.test(text)).length))
        // Of a participant and of an operator.
        .toEqual([2, 4]);
      const auth = accountIn(passwords, rig.cluster, 'node');
      const log = await rig.open('alpha', { auth });
      const leadership = await log.campaign(2, { signal: never });
      const txid = issuedAt(log.meta, leadership.epoch, 1, 2);
      await leadership.decide(commitOf(txid));
      const reader = await openEtcdReader({
        ...{ endpoints: map, cluster: rig.cluster, clock: realClock, random: realRandom },
        auth: accountIn(passwords, rig.cluster, 'participant'),
        clusterId: log.meta.clusterId,
      });
      expect((await reader.read(txid)).record?.outcome).toBe('commit');
      await reader.close();
      await log.close();
      const raised = await runMain([
        ...['raise-generation', '--json', '--yes'],
        ...['--etcd', map.join(';'), '--cluster', rig.cluster],
        ...['--etcd-user', accountIn(passwords, rig.cluster, 'operator').username],
        ...['--etcd-password-file', join(passwords, 'etcd-operator')],
      ]);
      expect(raised.errors).toBe('');
      expect(JSON.parse(raised.out)).toMatchObject({ generation: 1 });
    } finally {
      await rig.dispose();
      await second.dispose();
    }
  });

  it('let in who shows a certificate with the name of the user', async () => {
    const { ca, server, client } = await makeCertificates(directory.path);
    const secure = await TestEtcd.start(programs, { tls: { ca, ...server } });
    const rig = new EtcdRig(secure.endpoints);
    const tls = ['ca', 'cert', 'key'].flatMap((name) => [
      `--etcd-${name}`,
      join(directory.path, `${name === 'ca' ? 'ca' : 'client'}.${name === 'key' ? 'key' : 'crt'}`),
    ]);
    const again = () =>
      setUp(
        ...['--etcd', secure.endpoints.join(), '--cluster', rig.cluster, '--shards', '1', ...tls],
        ...['--certificate', 'node=client', '--enable-auth'],
        ...['--password-directory', join(directory.path, 'secure')],
      );
    try {
      const { errors, report } = await again();
      expect(errors).toBe('');
      expect(report?.passwordFiles.join()).not.toContain('etcd-node');
      // As root, though the certificate is the node's.
      expect((await again()).report?.etcds[0]).toMatchObject({ steps: [], authentication: 'on' });
      const log = await rig.open('alpha', { tls: client });
      const leadership = await log.campaign(0, { signal: never });
      await leadership.decide(commitOf(issuedAt(log.meta, leadership.epoch, 1)));
      const raw = new Etcd3({
        hosts: [...secure.endpoints],
        credentials: { rootCertificate: client.ca, privateKey: client.key, certChain: client.cert },
      });
      await expect(raw.get('/elsewhere').string()).rejects.toThrow('permission denied');
      raw.close();
    } finally {
      await rig.dispose();
      await secure.dispose();
    }
  });
});
