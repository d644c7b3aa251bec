import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { usageError } from '../../../src/cli/command-error.ts';
import { complaintOf } from '../../../src/cli/complaint.ts';
import { exitCodes, exitCodeTexts } from '../../../src/cli/exit-codes.ts';
import { listenAddress, nodeOption } from '../../../src/cli/parameters.ts';
import { errorCatalogue } from '../../../src/core/catalogue.ts';
import { errorCodes } from '../../../src/core/codes.ts';
import { coordinatorOptionNames } from '../../../src/core/coordinator-options.ts';
import { usualLeaseTtlMs, usualRequestWindowMs } from '../../../src/decision-log/usual.ts';
import { VerdictError } from '../../../src/peer/verdict-error.ts';
import { placeError } from '../../../src/store/store-place.ts';
import { memoryIo, runMain } from '../../support/process/cli-io.ts';

const commands = [
  ['serve'],
  ['dev'],
  ['dev-ca'],
  ['submit'],
  ['exec'],
  ['status'],
  ['tx', 'show'],
  ['tx', 'list'],
  ['resolve'],
  ['recover'],
  ['retire'],
  ['rebind'],
  ['journal'],
];
const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a';

/** A node that gets as far as its data directory does not start either. */
const serveNowhere = ['serve', '--data', '/proc/nowhere'] as const;
const atEtcd = ['--etcd', '127.0.0.1:1'] as const;

let directory = '';
/** A port at which no one listens. */
let deadUrl = '';

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-cli-'));
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  deadUrl = `127.0.0.1:${(server.address() as { port: number }).port}`;
  await new Promise((resolve) => server.close(resolve));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('help', () => {
  it('lists the commands and every exit code', async () => {
    const { exitCode, out } = await runMain(['--help']);
    expect(exitCode).toBe(exitCodes.ok);
    for (const [command = ''] of commands) expect(out).toContain(`\n  ${command}`);
    for (const code of Object.values(exitCodes))
      expect(out).toMatch(new RegExp(`^ +${code}  \\S`, 'm'));
    expect(exitCodeTexts).toHaveLength(Object.keys(exitCodes).length);
  });

  it('says what a signal does to serve and dev', async () => {
    const { out } = await runMain(['--help']);
    expect(out).toMatch(/^ +130 .*serve and dev: by a second signal \(the first .* 0\)/m);
    expect(out).toMatch(/^ +143 .*not serve and dev/m);
  });

  it.each(commands)('of %s %s has an example', async (...command) => {
    const { exitCode, out } = await runMain([
      ...command.filter((word) => word !== undefined),
      '--help',
    ]);
    expect(exitCode).toBe(exitCodes.ok);
    expect(out).toMatch(/Examples?:\n {2}\$ verdict /);
  });

  it('of serve names every option of a node', async () => {
    const { out } = await runMain(['help', 'serve']);
    for (const name of coordinatorOptionNames)
      expect(out).toMatch(new RegExp(`^  ${name}=\\d`, 'm'));
    for (const text of out.split('\n')) expect(text.length).toBeLessThanOrEqual(100);
  });

  it('of serve names what is usual as it is', async () => {
    const { out } = await runMain(['help', 'serve']);
    const text = out.replaceAll(/\s+/g, ' ');
    expect(text).toContain(`the directory's own, ${usualRequestWindowMs} in a new one`);
    expect(text).toContain('(default: pretty on a terminal, otherwise json)');
    expect(text).toContain(`another node may lead (default: ${usualLeaseTtlMs})`);
  });

  it('tells the version', async () => {
    expect((await runMain(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('wrong usage', () => {
  it.each([
    [[], 'Usage: verdict'],
    [['tx'], 'Usage: verdict tx'],
    [['submt', 'x'], 'Did you mean submit?'],
    [['list'], '(Did you mean verdict tx list?)'],
    [['show'], '(Did you mean verdict tx show?)'],
    [['ready'], "unknown command 'ready'\n(Did you mean verdict status?)"],
    [['tx', 'constructor'], '(The commands are serve, '],
    [['dev-ca', '--identity', 'wrongrole:me'], 'there are participant, client, operator, viewer.'],
    [['dev-ca', '--identity', 'operater:me'], 'Did you mean operator:me?'],
    [['submit'], "missing required argument 'file'"],
    [['submit', 'x', '--concurency', '3'], 'Did you mean --concurrency?'],
    [['submit', 'x', '--concurrency', '0'], 'Write a whole number from 1'],
    [['submit', 'x', '--timeout', '5s'], 'Write a whole number from 1'],
    [['submit', 'x', '--url', 'ftp://a'], 'is no node address'],
    [['tx', 'show', 'abc'], 'A txid has four parts'],
    [['tx', 'list', '--state', 'DONE'], 'The states are PENDING'],
    [['resolve', txid], 'Add --yes'],
    [['retire', 'inventory', 'x'], 'Add --yes'],
    [['retire', 'inventory', ''], 'Write a name of 1 to 128 bytes'],
    [['rebind', 'inventory', 'x', '--identity', 'stock'], 'Add --yes'],
    [['rebind', 'inventory', 'x'], "required option '--identity <name>'"],
    [['rebind', 'inventory', '--identity', 'stock'], 'Name either the instance or'],
    [['serve', '--listen', '1.2.3.4:99999'], 'As the port, write a whole number from 0 to 65535'],
    [[...serveNowhere, '--cluster', 'two'], '--cluster is for a cluster'],
    [[...serveNowhere, '--cluster', 'verdict'], 'Add --etcd, or leave it out'],
    [
      [...serveNowhere, '--shards', '3', '--lease-ttl', '5000'],
      '--shards, --lease-ttl are for a cluster',
    ],
    [[...serveNowhere, '--etcd-compact'], '--etcd-compact is for a cluster'],
    [[...serveNowhere, '--etcd-cert', 'c.pem'], '--etcd-cert is for a cluster'],
    [
      [...serveNowhere, '--etcd-ca', 'ca.pem', '--etcd-user', 'verdict'],
      '--etcd-ca, --etcd-user are',
    ],
    [[...serveNowhere, ...atEtcd, '--etcd-cert', 'c.pem'], '--etcd-cert needs --etcd-ca'],
    [['decision', txid, ...atEtcd, '--etcd-key', 'k.pem'], '--etcd-key needs --etcd-ca'],
    [
      [...serveNowhere, ...atEtcd, '--etcd-ca', 'ca.pem', '--etcd-cert', 'c.pem'],
      '--etcd-cert needs --etcd-key',
    ],
    [
      ['decision', txid, ...atEtcd, '--etcd-ca', 'ca.pem', '--etcd-key', 'k.pem'],
      '--etcd-key needs --etcd-cert',
    ],
    [
      ['raise-generation', ...atEtcd, '--etcd-password-file', 'p'],
      '--etcd-password-file needs --etcd-user',
    ],
    [['etcd-setup', ...atEtcd, '--shards', '1'], 'Say how the processes show who they are'],
    [
      ['etcd-setup', ...atEtcd, '--enable-auth', '--check', '--dry-run'],
      'or look at what is there with --check --dry-run',
    ],
    [['etcd-setup', ...atEtcd, '--certificate', 'client=x'], 'says no kind of process'],
    [['etcd-setup', ...atEtcd, '--certificate', 'node='], 'says no kind of process'],
    [['serve', '--option', 'nonsense'], 'Write name=value'],
    [['serve', '--option', 'nonsense=1'], 'There is no option nonsense'],
    [['serve', '--option', 'tickMs=1'], 'tickMs must be a whole number from 10'],
    [['serve', '--log-level', 'loud'], 'Allowed choices are debug'],
    [['serve', '--listen', '0.0.0.0:7070'], 'On 0.0.0.0 other machines could reach this node'],
    [['serve', '--listen', '[::]:7070'], 'Give a --token-file'],
    [['serve', '--listen', 'a.example:7070'], 'or add --insecure'],
    [['dev', '--listen', '10.0.0.1:7070'], 'or add --insecure'],
  ] as const)('%j', async (argv, text) => {
    const { exitCode, out, errors } = await runMain(argv);
    expect({ exitCode, out }).toEqual({ exitCode: exitCodes.usage, out: '' });
    expect(errors.toLowerCase()).toContain(text.toLowerCase());
  });
});

/** Of each command that dials. */
const missingFiles = ['status', 'submit -', 'exec - --url 127.0.0.1:1', 'top', 'doctor'].flatMap(
  (command) =>
    ['--tls-ca', '--jwt-file'].map((flag): [(path: string) => string[], string] => [
      (path) => [...command.split(' '), flag, join(path, 'missing')],
      'cannot be read: ENOENT',
    ]),
);

describe('what cannot be done', () => {
  it.each([
    ['status'],
    ['tx', 'list'],
    ['tx', 'show', txid],
    ['recover'],
    ['resolve', txid, '--yes'],
  ])('no coordinator: %s %s', async (...argv) => {
    const words = argv.filter((word) => word !== undefined);
    const { exitCode, errors } = await runMain([...words, '--url', deadUrl]);
    expect(exitCode).toBe(exitCodes.unreachable);
    expect(errors).toContain('Is `npx verdict serve` running?');
    expect(errors).not.toContain('\n    at ');
  });

  it.each([
    [['tx', 'show', 'x', '--json'], 'four parts'],
    [['status', '--json', '--url', 'nowhere:99999'], 'no node address'],
    [['status', '--json', '--nope'], "unknown option '--nope'"],
    [['acknowledge', txid, '--json', '--yes'], "'--branch <name>' not specified"],
    [['resolve', '--json'], "missing required argument 'txid'"],
    [['lst', '--json'], 'Did you mean'],
    [['retry', txid, '--all', '--json'], 'Give either a txid or --all'],
  ])('complains to programs in JSON of wrong usage: %j', async (argv, said) => {
    const { exitCode, errors } = await runMain(argv);
    expect(exitCode).toBe(exitCodes.usage);
    expect(errors.trimEnd().split('\n')).toHaveLength(1);
    const { error } = JSON.parse(errors) as { error: { code: string; message: string } };
    expect(error.code).toBe('USAGE');
    expect(error.message).toContain(said);
    expect(error.message).not.toMatch(/^error: /);
  });

  it('takes the address from the environment, and complains to programs in JSON', async () => {
    const io = memoryIo({ env: {} });
    process.env['VERDICT_URL'] = deadUrl;
    try {
      const { exitCode, errors } = await runMain(['status', '--json'], io);
      expect(exitCode).toBe(exitCodes.unreachable);
      expect(JSON.parse(errors)).toMatchObject({
        error: { code: 'UNREACHABLE', message: expect.stringContaining(deadUrl) },
      });
    } finally {
      delete process.env['VERDICT_URL'];
    }
  });

  it.each<[argv: (path: string) => string[], text: string]>([
    [(path: string) => ['submit', join(path, 'missing.jsonl')], 'cannot be read: ENOENT'],
    [(path: string) => ['submit', path], 'is a directory'],
    [
      (path: string) => ['config', '--check', join(path, 'missing')],
      'missing cannot be read: ENOENT',
    ],
    ...missingFiles,
    [
      (path: string) => ['status', '--tls-cert', join(path, 'c'), '--tls-key', join(path, 'k')],
      '(--tls-cert) cannot be read: ENOENT',
    ],
    [(path: string) => ['status', '--tls-ca', join(path, 'empty')], '--tls-ca'],
    [
      (path: string) => ['status', '--token-file', join(path, 'missing')],
      'The token cannot be read',
    ],
    [(path: string) => ['status', '--token-file', join(path, 'empty')], 'must be a token'],
    [
      (path: string) => ['status', '--token-file', join(path, 'open')],
      'is open to others (mode 644), so it is not secret. Run chmod 600',
    ],
    [(path: string) => ['serve', '--token-file', join(path, 'open')], 'is open to others'],
    [(path: string) => ['submit', '-', '--token-file', join(path, 'shared')], '(mode 660)'],
  ])('a file: %#', async (argv, text) => {
    writeFileSync(join(directory, 'empty'), '\n', { mode: 0o600 });
    writeFileSync(join(directory, 'open'), 'token\n', { mode: 0o644 });
    writeFileSync(join(directory, 'shared'), 'token\n');
    chmodSync(join(directory, 'shared'), 0o660);
    const { exitCode, errors } = await runMain(argv(directory));
    expect(exitCode).toBe(exitCodes.fault);
    expect(errors).toContain(text);
    expect(errors).not.toMatch(/\n./);
    expect(errors).not.toContain('access file');
    expect(errors).not.toContain('Is `npx verdict serve` running?');
  });
});

describe('complaintOf', () => {
  const oneReason = [
    ...(['WRONG_STATE', 'FORBIDDEN'] as const),
    ...(['UNKNOWN_TRANSACTION', 'UNKNOWN_BRANCH'] as const),
  ];
  const ownAdvice = [...oneReason, 'UNAUTHENTICATED'] as readonly string[];

  it.each(errorCodes.filter((each) => !ownAdvice.includes(each)))(
    '%s of a node says what to do next',
    (code) => {
      const { retryable, acted, text } = errorCatalogue[code];
      const complaint = complaintOf(new VerdictError(code, 'Said the node.', { retryable, acted }));
      expect(complaint).toEqual({
        code,
        exitCode: exitCodes.notDone,
        message: `Said the node. ${text}`,
      });
      expect(complaintOf(new VerdictError(code, text, { retryable, acted })).message).toBe(text);
    },
  );

  it.each(oneReason)('%s says what the node said, and no more: it names the one reason', (code) => {
    const { retryable, acted, text } = errorCatalogue[code];
    for (const said of ['Another has that name already.', text]) {
      const complaint = complaintOf(new VerdictError(code, said, { retryable, acted }));
      expect(complaint).toEqual({ code, exitCode: exitCodes.notDone, message: said });
    }
  });

  it('UNAUTHENTICATED names the flags by which a command shows who it is', () => {
    const given = { retryable: false, acted: 'nothing' } as const;
    const { message } = complaintOf(new VerdictError('UNAUTHENTICATED', 'Wrong.', given));
    expect(message).toMatch(/^Wrong\. Show what .*: --token-file, --jwt-file, or --tls-cert/);
  });

  it('what an operator mends is said without the name of a class', () => {
    expect(complaintOf(placeError('/nowhere', new Error('no such device')))).toEqual({
      code: 'INPUT',
      exitCode: exitCodes.fault,
      message: expect.stringMatching(/^\/nowhere cannot be used: no such device\./),
    });
  });

  it('tells usage, no answer and faults apart', () => {
    const details = { retryable: true, acted: 'nothing' } as const;
    expect(complaintOf(usageError('x')).exitCode).toBe(exitCodes.usage);
    expect(complaintOf(new VerdictError('TIMEOUT', 'x', details)).exitCode).toBe(
      exitCodes.unreachable,
    );
    expect(complaintOf(new TypeError('x'))).toMatchObject({
      exitCode: exitCodes.fault,
      code: 'FAULT',
    });
  });
});

describe('parameters', () => {
  it.each([
    ['127.0.0.1:7070', '127.0.0.1', 7070],
    ['0.0.0.0:0', '0.0.0.0', 0],
    ['[::1]:80', '::1', 80],
    ['localhost', 'localhost', 7070],
    ['9000', '127.0.0.1', 9000],
  ])('listens at %s', (text, host, port) => {
    expect(listenAddress(text)).toEqual({ host, port });
  });

  it.each(['', ':7070', '::1:7070', 'a:b', 'http://a:1', 'a b:1'])('not at %j', (text) => {
    expect(() => listenAddress(text)).toThrow('Write HOST:PORT');
  });

  it('collects options', () => {
    expect(nodeOption('attentionAfter=3', nodeOption('tickMs=1_000', {}))).toEqual({
      tickMs: 1_000,
      attentionAfter: 3,
    });
  });
});
