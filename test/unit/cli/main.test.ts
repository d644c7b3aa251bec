import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { complaintOf, usageError } from '../../../src/cli/command-error.ts';
import { exitCodes, exitCodeTexts } from '../../../src/cli/exit-codes.ts';
import { logErrorText } from '../../../src/cli/open-log.ts';
import { listenAddress, nodeOption } from '../../../src/cli/parameters.ts';
import { errorCatalogue, errorCodes } from '../../../src/core/catalogue.ts';
import { coordinatorOptionNames } from '../../../src/core/coordinator-options.ts';
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

  it('tells the version', async () => {
    expect((await runMain(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('wrong usage', () => {
  it.each([
    [[], 'Usage: verdict'],
    [['tx'], 'Usage: verdict tx'],
    [['submt', 'x'], 'Did you mean submit?'],
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

  it.each([
    [(path: string) => ['submit', join(path, 'missing.jsonl')], 'cannot be read: ENOENT'],
    [(path: string) => ['submit', path], 'is a directory'],
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
    expect(errors).not.toContain('\n    at ');
  });
});

describe('complaintOf', () => {
  it.each(errorCodes.filter((each) => each !== 'WRONG_STATE'))(
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

  it('WRONG_STATE says what the node said, which need not be about the state', () => {
    const { retryable, acted, text } = errorCatalogue.WRONG_STATE;
    for (const said of ['Another has that name already.', text]) {
      const complaint = complaintOf(new VerdictError('WRONG_STATE', said, { retryable, acted }));
      expect(complaint).toEqual({
        code: 'WRONG_STATE',
        exitCode: exitCodes.notDone,
        message: said,
      });
    }
  });

  it('what an operator mends is said without the name of a class', () => {
    expect(complaintOf(placeError('/nowhere', new Error('no such device')))).toEqual({
      code: 'INPUT',
      exitCode: exitCodes.fault,
      message: expect.stringMatching(/^\/nowhere cannot be used: no such device\./),
    });
  });

  it('an error of etcd ends in no label with nothing behind it', () => {
    const said = 'Last error: ECONNREFUSED. Resolution note: . Check that it runs.';
    expect(logErrorText(new Error(said))).toBe('Last error: ECONNREFUSED. Check that it runs.');
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
