/** `verdict dev-ca` on disk: what it makes, what it keeps, and what it leaves alone. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type DevCaFlags, devCa } from '../../../src/cli/dev-ca/dev-ca.ts';
import { writeAll } from '../../../src/cli/dev-ca/files.ts';
import { identities, nodeNames } from '../../../src/cli/dev-ca/parameters.ts';
import { exitCodes } from '../../../src/cli/exit-codes.ts';
import { temporaryDirectory } from '../../support/logs/stores.ts';
import { testAuthority, writeCredential } from '../../support/network/certificates.ts';
import { handshake } from '../../support/network/handshake.ts';
import { memoryIo, runMain } from '../../support/process/cli-io.ts';

const dayMs = 86_400_000;
let temporary: ReturnType<typeof temporaryDirectory>;
let directory = '';
beforeEach(() => {
  temporary = temporaryDirectory();
  directory = join(temporary.path, 'certs');
});
afterEach(() => temporary.remove());

const run = (...argv: readonly string[]) => runMain(['dev-ca', '--directory', directory, ...argv]);
const at = (...parts: readonly string[]): string => join(directory, ...parts);
const text = (...parts: readonly string[]): string => readFileSync(at(...parts), 'utf8');
const certificate = (...parts: readonly string[]) => new X509Certificate(text(...parts));

/** Of each file its text, by its path. */
function contents(): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
  return Object.fromEntries(files.sort().map((file) => [file, text(file)]));
}

describe('the first run', () => {
  it('makes an authority, and what was named, each with its key', async () => {
    const { exitCode, out } = await run(
      ...['--node', 'a,b', '--host', 'a.example,2001:DB8::7,10.0.0.1'],
      ...['--identity', 'payment,participant:stock,client:shop,operator:alice'],
    );
    expect(exitCode).toBe(exitCodes.ok);
    const pairs = ['ca', 'nodes/a', 'nodes/b'].concat(
      ['payment', 'stock', 'shop', 'alice'].map((name) => `identities/${name}`),
    );
    expect(Object.keys(contents())).toEqual(
      [
        '.gitignore',
        'access.json',
        ...pairs.flatMap((stem) => [`${stem}.crt`, `${stem}.key`]),
      ].sort(),
    );
    const ca = certificate('ca.crt');
    for (const stem of pairs) {
      const x509 = certificate(`${stem}.crt`);
      expect(x509.verify(ca.publicKey)).toBe(true);
      expect(x509.checkPrivateKey(createPrivateKey(text(`${stem}.key`)))).toBe(true);
      expect(out).toContain(`made     ${stem}.crt until `);
    }
    const node = certificate('nodes', 'b.crt');
    expect(node.subjectAltName).toContain('URI:spiffe://verdict.local/node/b, ');
    for (const host of ['localhost', 'a.example', 'verdict-node.internal']) {
      expect(node.checkHost(host)).toBe(host);
    }
    for (const ip of ['127.0.0.1', '::1', '10.0.0.1', '2001:db8::7']) {
      expect(node.checkIP(ip)).toBe(ip);
    }
    expect(node.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    const payment = certificate('identities', 'payment.crt');
    expect(payment.subjectAltName).toBe('URI:spiffe://verdict.local/payment');
    expect(payment.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    const days = (payment.validToDate.getTime() - Date.now()) / dayMs;
    expect(Math.round(days)).toBe(30);
  });

  it('makes files with which a node and an identity shake hands', async () => {
    await run();
    const pair = (stem: string) => ({ certificate: text(`${stem}.crt`), key: text(`${stem}.key`) });
    const seen = await handshake(text('ca.crt'), pair('nodes/a'), pair('identities/app'));
    expect(seen).toEqual({ client: null, server: 'URI:spiffe://verdict.local/app' });
  });

  it('keeps it from others', async () => {
    await run();
    const modes = ['.', 'nodes', 'identities', ...Object.keys(contents())].map((path) => [
      path,
      (statSync(at(path)).mode & 0o777).toString(8),
    ]);
    for (const [path = '', mode] of modes) {
      expect([path, mode]).toEqual([path, statSync(at(path)).isDirectory() ? '700' : '600']);
    }
    expect(text('.gitignore')).toBe('*\n');
  });

  it('lists the identities with what each may do', async () => {
    await run('--identity', 'both,participant:payment,client:shop,operator:alice');
    const uri = (name: string) => [{ uri: `spiffe://verdict.local/${name}` }];
    const ofClient = { calls: ['*'], labels: ['*'], lockGroups: ['shared/*'] };
    expect(JSON.parse(text('access.json'))).toEqual({
      identities: [
        {
          name: 'both',
          credentials: uri('both'),
          roles: ['client', 'participant'],
          participants: ['both'],
          clients: ['both'],
          ...ofClient,
        },
        {
          name: 'payment',
          credentials: uri('payment'),
          roles: ['participant'],
          participants: ['payment'],
        },
        {
          name: 'shop',
          credentials: uri('shop'),
          roles: ['client'],
          clients: ['shop'],
          ...ofClient,
        },
        { name: 'alice', credentials: uri('alice'), roles: ['operator'] },
        { name: 'nodes', credentials: uri('node/*'), roles: ['node'] },
      ],
    });
  });

  it('says what to run next, what it is for, and what to take in production', async () => {
    directory = join(temporary.path, "it's mine");
    const { out } = await run('--node', 'c', '--identity', 'shop');
    expect(out).toContain(
      `serve --node c --tls-cert '${temporary.path}/it'\\''s mine/nodes/c.crt'`,
    );
    expect(out).toContain(`cert: { file: ${JSON.stringify(at('identities', 'shop.crt'))} }`);
    expect(out).toMatch(/^ {2}tls: \{[\s\S]+?^ {4}nodeNames: \['verdict-node\.internal'\],$/m);
    expect(out).toMatch(/For trying and tests only: .*ca\.key/);
    expect(out).toMatch(/cert-manager, Vault, SPIRE or step-ca/);
  });

  it('without names makes a node, an application and an operator', async () => {
    await run();
    expect(readdirSync(at('nodes'))).toEqual(['a.crt', 'a.key']);
    expect(readdirSync(at('identities'))).toEqual(['admin.crt', 'admin.key', 'app.crt', 'app.key']);
  });
});

describe('another run', () => {
  it('changes nothing where nothing is missing', async () => {
    const argv = ['--node', 'a,b', '--host', 'a.example', '--identity', 'payment'] as const;
    await run(...argv);
    const before = contents();
    const { exitCode, out } = await run(...argv);
    expect(exitCode).toBe(exitCodes.ok);
    expect(contents()).toEqual(before);
    expect(out).not.toMatch(/made|renewed/);
    await run();
    expect(contents()).toEqual(before);
  });

  it('adds what is missing, from the same authority', async () => {
    await run('--identity', 'payment');
    const before = contents();
    const { out } = await run('--node', 'b', '--identity', 'shop,client:till');
    const after = contents();
    expect(after).toMatchObject(before);
    expect(Object.keys(after)).toHaveLength(Object.keys(before).length + 6);
    expect(certificate('nodes', 'b.crt').verify(certificate('ca.crt').publicKey)).toBe(true);
    // Never overwritten: what is to be added is shown.
    expect(out).toMatch(/access\.json was there .*Add to its "identities":\n +\{"name":"shop"/);
    expect(out).toContain('"roles":["client"],"clients":["till"]');
  });

  it('refuses a role that the identity does not have in the access file', async () => {
    await run('--identity', 'app,operator:alice');
    const before = contents();
    const { exitCode, out, errors } = await run('--identity', 'operator:app');
    expect({ exitCode, out }).toEqual({ exitCode: exitCodes.fault, out: '' });
    expect(errors).toMatch(/app is client and participant in .*, and you ask for operator\./);
    expect(errors).toMatch(/or change "roles" .*--identity app\.\n/);
    const more = await run('--identity', 'new,alice');
    expect(more.errors).toMatch(/alice is operator in .*--identity operator:alice\./);
    expect(contents()).toEqual(before);
    // What it has, or a part of it, is no other.
    expect((await run('--identity', 'client:app,operator:alice')).exitCode).toBe(exitCodes.ok);
  });

  it('says which identities a new access file does not have', async () => {
    await run('--identity', 'payment,operator:alice');
    unlinkSync(at('access.json'));
    const { out } = await run('--identity', 'payment');
    expect(out).toMatch(/access\.json has no entry for alice\. Name them in --identity/);
    expect(text('access.json')).not.toContain('alice');
  });

  it('gives nodes the hosts that they lack, and takes none from them', async () => {
    await run('--node', 'a,b', '--host', 'a.example');
    const key = text('nodes', 'a.key');
    const other = text('nodes', 'b.crt');
    await run('--node', 'a', '--host', '10.0.0.1');
    const x509 = certificate('nodes', 'a.crt');
    expect([x509.checkHost('a.example'), x509.checkIP('10.0.0.1')]).toEqual([
      'a.example',
      '10.0.0.1',
    ]);
    expect(text('nodes', 'a.key')).toBe(key);
    expect(text('nodes', 'b.crt')).toBe(other);
    // No node is named: all are meant.
    await run('--host', 'all.example');
    expect(certificate('nodes', 'b.crt').checkHost('all.example')).toBe('all.example');
  });

  it('with --renew makes every certificate anew, with the same keys and hosts', async () => {
    await run('--host', 'a.example');
    const before = contents();
    await run('--renew', '--days', '90');
    const after = contents();
    for (const [path, was] of Object.entries(before)) {
      const isNew = path.endsWith('.crt') && path !== 'ca.crt';
      expect([path, after[path] !== was]).toEqual([path, isNew]);
    }
    expect(Object.keys(after)).toEqual(Object.keys(before));
    const x509 = certificate('nodes', 'a.crt');
    expect(x509.checkHost('a.example')).toBe('a.example');
    expect(Math.round((x509.validToDate.getTime() - Date.now()) / dayMs)).toBe(90);
  });

  it.each([
    [19, false],
    [21, true],
    [31, true],
  ])('after %i days of 30 renews: %j', async (days, isRenewed) => {
    const flags: DevCaFlags = { directory, days: 30 };
    const start = Date.now();
    await devCa(memoryIo(), flags, start);
    const before = contents();
    await devCa(memoryIo(), flags, start + days * dayMs);
    const after = contents();
    expect(after['nodes/a.crt'] !== before['nodes/a.crt']).toBe(isRenewed);
    expect(after['identities/app.crt'] !== before['identities/app.crt']).toBe(isRenewed);
    expect(after['identities/app.key']).toBe(before['identities/app.key']);
    expect(after['ca.crt']).toBe(before['ca.crt']);
  });

  it('renews the authority in time, and what it issued before still holds', async () => {
    const start = Date.now() - 3_000 * dayMs;
    await devCa(memoryIo(), { directory, days: 825 }, start);
    const [before, key] = [text('ca.crt'), text('ca.key')];
    const old = certificate('nodes', 'a.crt');
    await devCa(memoryIo(), { directory, days: 30 });
    expect(text('ca.crt')).not.toBe(before);
    expect(text('ca.key')).toBe(key);
    expect(old.checkIssued(certificate('ca.crt'))).toBe(true);
    expect(old.verify(certificate('ca.crt').publicKey)).toBe(true);
    expect(certificate('ca.crt').validToDate.getTime()).toBeGreaterThan(Date.now());
  });

  it('makes a new pair where a key was lost', async () => {
    await run();
    unlinkSync(at('identities', 'app.key'));
    expect((await run()).exitCode).toBe(exitCodes.ok);
    const key = createPrivateKey(text('identities', 'app.key'));
    expect(certificate('identities', 'app.crt').checkPrivateKey(key)).toBe(true);
  });
});

describe('what it did not make', () => {
  const foreignAt = (file: string) => () => writeFileSync(at(file), 'mine\n', { mode: 0o600 });

  it.each<[string, () => unknown, RegExp]>([
    ['no certificate', foreignAt('nodes/a.crt'), /nodes\/a\.crt is no certificate/],
    ['another key', foreignAt('nodes/a.key'), /nodes\/a\.key is not the key of /],
    ['another authority key', foreignAt('ca.key'), /ca\.key is not the key of .*ca\.crt/],
    ['no authority', foreignAt('ca.crt'), /ca\.crt is no certificate/],
    [
      'another authority',
      async () => {
        const { ca, credential } = await testAuthority();
        writeFileSync(at('ca.crt'), ca);
        writeFileSync(at('ca.key'), credential.key);
      },
      /ca\.crt is not an authority that this command made/,
    ],
    [
      'a certificate of another authority',
      async () => writeCredential(at('nodes'), 'a', await (await testAuthority()).node()),
      /nodes\/a\.crt is not the certificate of spiffe:\/\/verdict\.local\/node\/a from /,
    ],
    [
      'a certificate of another name',
      () => {
        for (const end of ['.crt', '.key']) {
          writeFileSync(at(`identities/app${end}`), text(`identities/admin${end}`));
        }
      },
      /identities\/app\.crt is not the certificate of spiffe:\/\/verdict\.local\/app from /,
    ],
    ['no key of the authority', () => unlinkSync(at('ca.key')), /ca\.crt is there, and .*ca\.key/],
    ['no authority beside its key', () => unlinkSync(at('ca.crt')), /ca\.key is there, and /],
    [
      'a key alone',
      () => unlinkSync(at('nodes/a.crt')),
      /nodes\/a\.key is there, and .*nodes\/a\.crt is not/,
    ],
    ['an open key', () => chmodSync(at('nodes/a.key'), 0o644), /is open to others.*chmod 600/],
    ['an open directory', () => chmodSync(at('nodes'), 0o777), /Others may write in .*chmod 700/],
    [
      'a link to elsewhere',
      () => {
        rmSync(at('access.json'));
        symlinkSync(join(temporary.path, 'elsewhere'), at('access.json'));
      },
      /access\.json cannot be used: ENOENT/,
    ],
  ])('%s: is left as it is', async (_what, change, complaint) => {
    await run();
    await change();
    const before = contents();
    const { exitCode, out, errors } = await run('--renew', '--node', 'a,b');
    expect({ exitCode, out }).toEqual({ exitCode: exitCodes.fault, out: '' });
    expect(errors).toMatch(complaint);
    expect(errors).not.toContain('\n    at ');
    expect(contents()).toEqual(before);
    expect(existsSync(join(temporary.path, 'elsewhere'))).toBe(false);
  });

  it('of other names is left out', async () => {
    await run();
    writeFileSync(at('nodes', '.odd.crt'), 'mine\n');
    writeFileSync(at('nodes', 'a b.crt'), 'mine\n');
    const before = contents();
    expect((await run()).exitCode).toBe(exitCodes.ok);
    expect(contents()).toEqual(before);
  });

  it('an access file is never overwritten, whatever is in it', async () => {
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(at('access.json'), 'not yet');
    const { exitCode, out } = await run('--renew');
    expect(exitCode).toBe(exitCodes.ok);
    expect(text('access.json')).toBe('not yet');
    expect(out).toContain('Add to its "identities"');
  });

  it('a file that comes to be meanwhile stays, and nothing is left beside it', () => {
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(at('ca.crt'), 'of another run');
    const write = (file: string) => ({ path: at(file), text: 'new', replaced: false });
    expect(() => writeAll([directory], [write('ca.key'), write('ca.crt')])).toThrow(
      /ca\.crt came to be while this ran.*run this one again/,
    );
    expect(contents()).toEqual({ 'ca.crt': 'of another run' });
  });
});

describe('wrong arguments', () => {
  it.each([
    [['--node', '../x'], 'cannot be a name'],
    [['--node', ''], 'cannot be a name'],
    [['--node', 'a,,b'], 'cannot be a name'],
    [['--node', 'a b'], 'cannot be a name'],
    [['--node', '.a'], 'cannot be a name'],
    [['--node', 'a/b'], 'cannot be a name'],
    [['--node', 'ä'], 'cannot be a name'],
    [['--node', 'a'.repeat(65)], 'cannot be a name'],
    [['--node', 'a,b,a'], '"a" is there twice'],
    [['--node', 'a,A'], '"A" is there twice'],
    [['--identity', '../x'], 'cannot be a name'],
    [['--identity', 'operator:'], 'cannot be a name'],
    [['--identity', 'auditor:alice'], 'there are participant, client, operator, viewer'],
    [['--identity', 'shop,client:shop'], '"shop" is there twice'],
    [['--identity', 'nodes'], 'is the entry of all nodes'],
    [['--host', 'a.example:7070'], 'is no host'],
    [['--host', '[::1]'], 'without ports and brackets'],
    [['--host', '::1,0:0:0:0:0:0:0:1'], '"::1" is there twice'],
    [['--host', 'https://a.example'], 'is no host'],
    [['--days', '0'], 'from 1 to 825'],
    [['--days', '826'], 'from 1 to 825'],
    [['--directory', ''], 'the path of a directory'],
    [['more'], 'too many arguments'],
  ] as const)('%j', async (argv, complaint) => {
    const { exitCode, out, errors } = await run(...argv);
    expect({ exitCode, out }).toEqual({ exitCode: exitCodes.usage, out: '' });
    expect(errors).toContain(complaint);
    expect(existsSync(directory)).toBe(false);
  });

  it('the longest and oddest names are right', () => {
    expect(nodeNames(`${'a'.repeat(64)}, 7,a.b_c-d`)).toEqual(['a'.repeat(64), '7', 'a.b_c-d']);
    expect(identities('node,operator:client')).toEqual([
      { name: 'node', roles: ['client', 'participant'] },
      { name: 'client', roles: ['operator'] },
    ]);
  });
});

describe('what cannot be done', () => {
  it.each([
    ['/proc/nowhere', /\/proc\/nowhere cannot be used: ENOENT/],
    ['/dev/null', /ENOTDIR|EEXIST/],
    ['/dev/null/certs', /\/dev\/null.* cannot be used: (?:ENOTDIR|EEXIST)/],
  ])('a directory like %s', async (path, complaint) => {
    const { exitCode, errors } = await runMain(['dev-ca', '--directory', path]);
    expect(exitCode).toBe(exitCodes.fault);
    expect(errors).toMatch(complaint);
    expect(errors).not.toContain('\n    at ');
  });

  it.each([
    ['SIGINT', exitCodes.interrupted],
    ['SIGTERM', exitCodes.terminated],
  ] as const)('%s before it writes leaves nothing behind', async (signal, exitCode) => {
    const io = memoryIo();
    const ended = devCa(io, { directory, days: 30 });
    io.signal(signal);
    expect(await ended).toBe(exitCode);
    expect(io.errors()).toBe(`Stopped by ${signal}. Nothing was written.\n`);
    expect(existsSync(directory)).toBe(false);
  });
});
