/**
 * A node with an access file, as its users meet it: every peer has an identity of its own, and each
 * rule is tried by one that has no right to what it asks for.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connect } from '../../src/client.ts';
import { type ParticipantHandle, serveParticipant, vote } from '../../src/participant.ts';
import type { TlsOptions } from '../../src/ports/tls.ts';
import { TlsAuthority, type TlsFiles } from '../support/network/tls-authority.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { eventually } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';

const uri = (name: string): string => `spiffe://test/${name}`;
const entry = (name: string, rights: object) => ({
  name,
  credentials: [{ uri: uri(name) }],
  ...rights,
});
const identities: Record<string, object> = {
  payment: { roles: ['participant'] },
  // Of another team: it may be a payment service, too, with instances of its own.
  'payment-eu': { roles: ['participant'], participants: ['payment'] },
  stock: { roles: ['participant'] },
  shop: { roles: ['client'], calls: ['payment', 'stock'] },
  bank: { roles: ['client'], calls: ['payment'] },
  alice: { roles: ['operator'] },
  vic: { roles: ['viewer'] },
};

let authority: TlsAuthority;
let directory: string;
let node: NodeProcess;
const files = new Map<string, TlsFiles>();
const handles: ParticipantHandle[] = [];

const at = (name: string): string => join(directory, name);

function writeAccess(entries: Record<string, object>): void {
  const list = Object.entries(entries).map(([name, rights]) => entry(name, rights));
  writeFileSync(at('access.json'), JSON.stringify({ identities: list }));
}

function tlsOf(identity: string): TlsOptions {
  const { ca, cert, key } = files.get(identity) as TlsFiles;
  return { ca: { file: ca }, cert: { file: cert }, key: { file: key } };
}

function flagsOf(identity: string): string[] {
  const { ca, cert, key } = files.get(identity) as TlsFiles;
  return ['--url', node.url, '--tls-ca', ca, '--tls-cert', cert, '--tls-key', key];
}

/** `store`: whose journal, and with it whose instance it has. */
async function participant(
  identity: string,
  name: string,
  store: string = identity,
): Promise<ParticipantHandle> {
  const handle = await serveParticipant({
    name,
    urls: [node.url],
    tls: tlsOf(identity),
    dataDirectory: at(store),
    prepare: () => vote.commit(),
    commit: () => undefined,
    rollback: () => undefined,
    logger: { debug() {}, info() {}, warn: heard, error: heard },
  });
  handles.push(handle);
  return handle;
}

const lines: string[] = [];
function heard(fields: object, text: string): void {
  lines.push(JSON.stringify([fields, text]));
}

function audited(event: string): Record<string, unknown>[] {
  return readFileSync(at('audit.log'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line['event'] === event);
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-identities-'));
  authority = await TlsAuthority.made();
  for (const name of [...Object.keys(identities), 'stranger']) {
    const issued = await authority.issue({ names: [`URI:${uri(name)}`] });
    files.set(name, authority.write(directory, `${name}-tls`, issued));
  }
  const own = authority.write(directory, 'node-tls', await authority.issue());
  writeAccess(identities);
  node = await NodeProcess.started({
    data: at('data'),
    options: quickOptions,
    more: [
      ...['--tls-cert', own.cert, '--tls-key', own.key, '--tls-client-ca', own.ca],
      ...['--access-file', at('access.json'), '--audit-file', at('audit.log')],
    ],
  });
});
afterAll(async () => {
  await Promise.all(handles.map((handle) => handle.close({ timeoutMs: 100 })));
  await node.kill();
  rmSync(directory, { recursive: true, force: true });
});

describe('identities', () => {
  it('do what they may, and are told apart in the audit log', async () => {
    await (await participant('payment', 'payment')).connected();
    await (await participant('stock', 'stock')).connected();
    const shop = await connect({ urls: [node.url], name: 'shop', tls: tlsOf('shop') });
    const done = await shop.transact({
      branches: [{ participant: 'payment' }, { participant: 'stock' }],
    });
    expect(done.outcome).toBe('committed');
    await shop.close();
    const accepted = audited('connection-accepted').map(({ identity, roles }) => [identity, roles]);
    expect(accepted).toEqual(
      expect.arrayContaining([
        ['payment', ['participant']],
        ['stock', ['participant']],
        ['shop', ['client']],
      ]),
    );
  });

  it('of no entry are refused at the door, whatever the authority says', async () => {
    const refused = connect({ urls: [node.url], tls: tlsOf('stranger') });
    await expect(refused).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining(uri('stranger')),
    });
  });

  it.each([
    ['a client as another one', 'bank', { name: 'shop' }],
    ['a participant as a client', 'stock', { name: 'stock' }],
    ['an operator as a client', 'alice', { name: 'alice' }],
  ])('do not connect %s', async (_what, identity, given) => {
    await expect(
      connect({ urls: [node.url], tls: tlsOf(identity), ...given }),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  it('do not serve under a name of others, and get none of their prepares', async () => {
    const impostor = await participant('stock', 'payment', 'impostor');
    await expect(impostor.connected({ timeoutMs: 500 })).rejects.toThrow();
    const shop = await connect({ urls: [node.url], name: 'shop', tls: tlsOf('shop') });
    for (let round = 0; round < 5; round += 1) {
      const done = await shop.transact({ branches: [{ participant: 'payment' }] });
      expect(done.outcome).toBe('committed');
    }
    await shop.close();
    await impostor.close({ timeoutMs: 10 });
    expect(audited('connection-refused')).toContainEqual(
      expect.objectContaining({ name: 'payment', code: 'FORBIDDEN', identity: 'stock' }),
    );
  });

  it('do not take an instance over, not while it is away either, until an operator gives it to them', async () => {
    const own = await participant('payment', 'payment', 'shared-journal');
    await own.connected();
    await own.close();
    const taking = await participant('payment-eu', 'payment', 'shared-journal');
    await expect(taking.connected({ timeoutMs: 500 })).rejects.toThrow();
    const refused = await eventually(
      () => lines.find((line) => line.includes('belongs to another identity')) ?? null,
      () => `a refusal in ${lines.join('\n')}`,
    );
    expect(refused).not.toContain('"payment-eu');
    const { instance } = own;
    const rebind = ['rebind', 'payment', instance, '--identity', 'payment-eu', '--yes'];
    const typo = ['rebind', 'payment', instance, '--identity', 'payment-eo', '--yes'];
    const noIdentity = await runCli([...typo, ...flagsOf('alice')]);
    expect(noIdentity.exitCode).toBe(4);
    expect(noIdentity.errors).toMatch(/no identity payment-eo: it has .*payment-eu.*--force/);
    const other = ['rebind', 'payment', `${instance}x`, '--identity', 'payment-eu', '--yes'];
    const noInstance = await runCli([...other, ...flagsOf('alice')]);
    expect(noInstance.exitCode).toBe(4);
    expect(noInstance.errors).toMatch(/No instance .*x of payment is known: .*--force/);
    const run = await runCli([...rebind, '--reason', 'moved', ...flagsOf('alice')]);
    expect(run).toMatchObject({ exitCode: 0 });
    await taking.close({ timeoutMs: 10 });
    const heir = await participant('payment-eu', 'payment', 'shared-journal');
    await heir.connected();
    await heir.close();
    expect(audited('operator-action')).toContainEqual(
      expect.objectContaining({ action: 'rebind', to: 'payment-eu', reason: 'moved' }),
    );
  });

  it('that are no operators see and end nothing of others', async () => {
    const shop = await connect({ urls: [node.url], name: 'shop', tls: tlsOf('shop') });
    const open = await shop.begin();
    for (const command of [['tx', 'list'], ['status'], ['retire', 'stock', 'x', '--yes']]) {
      const run = await runCli([...command, ...flagsOf('bank')]);
      expect(run.exitCode).not.toBe(0);
      expect(JSON.stringify(run)).not.toContain(open.txid);
    }
    const seen = await runCli(['tx', 'show', open.txid, ...flagsOf('alice')]);
    expect(seen.exitCode).toBe(0);
    expect(JSON.stringify(seen)).toContain(open.txid);
    await open.rollback();
    await shop.close();
  });

  it('with the role viewer look by every command, and do nothing', async () => {
    const shop = await connect({ urls: [node.url], name: 'shop', tls: tlsOf('shop') });
    const open = await shop.begin();
    const looks = [
      ...[['status'], ['tx', 'list'], ['tx', 'show', open.txid], ['explain', open.txid]],
      ...[['locks'], ['config'], ['top', '--once'], ['doctor']],
    ];
    for (const command of looks) {
      const run = await runCli([...command, ...flagsOf('vic')]);
      expect(run, command.join(' ')).toMatchObject({ exitCode: 0, errors: '' });
    }
    const acts = [
      ...[['resolve', open.txid], ['retry', open.txid], ['drain'], ['undrain'], ['step-down']],
      ...[
        ['retire', 'stock', 'x'],
        ['log-level', 'debug'],
      ],
    ].map((command) => [...command, '--yes']);
    for (const command of [...acts, ['recover']]) {
      const run = await runCli([...command, ...flagsOf('vic')]);
      expect(run.exitCode, command.join(' ')).toBe(4);
      expect(run.errors, command.join(' ')).toMatch(/needs the role .*operator/);
    }
    expect((await open.rollback()).outcome).toBe('aborted');
    // Who may neither operate nor look hears of the role that it asked for first.
    const denied = await runCli(['status', ...flagsOf('bank')]);
    expect(denied.errors).toContain('does not give the role operator to the identity bank');
    await shop.close();
  });

  it('are shown to operators as they are in force, and to no one else', async () => {
    const shown = await runCli(['config', '--json', ...flagsOf('alice')]);
    const { access } = JSON.parse(shown.out) as { access: { identities: { name: string }[] } };
    expect(access.identities.map(({ name }) => name)).toEqual(Object.keys(identities));
    const lines = await runCli(['config', ...flagsOf('alice')]);
    expect(lines.out).toMatch(/^access\.identities\.4\.calls {2}payment$/m);
    expect((await runCli(['config', ...flagsOf('bank')])).exitCode).not.toBe(0);
    const right = await runCli(['config', '--check', at('access.json')]);
    expect(right).toMatchObject({ exitCode: 0, out: expect.stringContaining('7 identities') });
  });

  it('change with the file, while the node runs', async () => {
    const bank = await connect({ urls: [node.url], name: 'bank', tls: tlsOf('bank') });
    const pay = () => bank.transact({ branches: [{ participant: 'payment' }] });
    expect((await pay()).outcome).toBe('committed');
    writeAccess({ ...identities, bank: { roles: ['client'], calls: ['stock'] } });
    await eventually(
      () => audited('configuration-changed')[0] ?? null,
      () => 'the file to be read again',
    );
    expect(audited('configuration-changed')[0]).toMatchObject({ changed: ['bank'] });
    await expect(pay()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    // What is wrong is told, and what was in force stays.
    writeFileSync(at('access.json'), '{"identities": [');
    await eventually(
      () => (node.output().includes('The access file is wrong') ? true : null),
      () => node.output(),
    );
    await expect(pay()).rejects.toMatchObject({ code: 'FORBIDDEN' });
    writeAccess(identities);
    await eventually(
      () => (audited('configuration-changed').length > 1 ? true : null),
      () => 'the file to be read again',
    );
    expect((await pay()).outcome).toBe('committed');
    await bank.close();
  });
});

it('a node is not started with an access file that is wrong', async () => {
  writeFileSync(at('wrong.json'), '{"identities": [{"name": "a"}]}');
  const run = await runCli([
    'serve',
    ...['--data', at('other'), '--listen', '127.0.0.1:0', '--access-file', at('wrong.json')],
  ]);
  expect(run.exitCode).toBe(1);
  expect(run.errors).toMatch(/identities\.0\.credentials/);
});
