/** Operators and viewers who show a JWT, at a listener of their own: who may do what. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { exitCodes } from '../../src/cli/exit-codes.ts';
import { TlsAuthority } from '../support/network/tls-authority.ts';
import { NodeProcess, quickOptions } from '../support/nodes/node-process.ts';
import { runCli } from '../support/process/cli-process.ts';

const issuer = 'https://id.example';
let directory: string;
let node: NodeProcess;
let door: string;
let ca: string;

const at = (name: string): string => join(directory, name);

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-door-'));
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' };
  writeFileSync(at('jwks.json'), JSON.stringify({ keys: [jwk] }));
  const roles = { ops: 'operator', vic: 'viewer', shop: 'client' };
  for (const name of [...Object.keys(roles), 'stranger']) {
    const jwt = await new SignJWT({ iss: issuer, aud: 'verdict', sub: name })
      .setExpirationTime('1h')
      .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
      .sign(privateKey);
    writeFileSync(at(`${name}.jwt`), jwt, { mode: 0o600 });
  }
  const identities = Object.entries(roles).map(([name, role]) => ({
    name,
    credentials: [{ issuer, subject: name }],
    roles: [role],
  }));
  const issuers = [
    { issuer, audience: 'verdict', algorithms: ['ES256'], keys: { file: 'jwks.json' } },
  ];
  writeFileSync(at('access.json'), JSON.stringify({ identities, issuers }));
  const authority = await TlsAuthority.made();
  const files = authority.write(directory, 'node', await authority.issue());
  ca = files.ca;
  door = `127.0.0.1:${await freePort()}`;
  node = await NodeProcess.started({
    data: at('data'),
    options: quickOptions,
    more: [
      ...['--tls-cert', files.cert, '--tls-key', files.key],
      ...['--access-file', at('access.json'), '--operator-listen', door],
    ],
  });
});

afterAll(async () => {
  await node?.kill();
  rmSync(directory, { recursive: true, force: true });
});

const txid = '0.00010000000000001.000000001.k3v9x0q2m8d5a';
const looks = [['status'], ['tx', 'list'], ['locks'], ['config'], ['top', '--once'], ['doctor']];
const acts = [
  ...[['recover'], ['retry', txid], ['resolve', txid, '--yes'], ['retire', 'a', 'b', '--yes']],
  ...[
    ['rebind', 'a', 'b', '--identity', 'vic', '--yes'],
    ['step-down', '--yes'],
  ],
  ...[
    ['drain', '--yes'],
    ['undrain', '--yes'],
    ['log-level', 'debug', '--yes'],
  ],
  ['acknowledge', txid, '--branch', 'b', '--reason', 'r', '--yes'],
];

const as = (name: string, url: string) => (command: readonly string[]) =>
  runCli([...command, '--url', url, '--tls-ca', ca, '--jwt-file', at(`${name}.jwt`)]);

describe('a listener of operators', () => {
  it('lets viewers look, and tells them why they may do no more', async () => {
    const run = as('vic', door);
    for (const command of looks) {
      const looked = await run(command);
      expect(looked, command.join(' ')).toMatchObject({ exitCode: exitCodes.ok, errors: '' });
    }
    for (const command of acts) {
      const refused = await run(command);
      expect(refused, command.join(' ')).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
      expect(refused.errors, command.join(' ')).toMatch(
        /^error: \S+ needs the role operator, and a viewer only looks: the access file does not give the role operator to the identity vic\./,
      );
    }
  });

  it('sends away whoever is no operator, and operators from the other one', async () => {
    for (const [name, url, text] of [
      ['ops', node.url, '--operator-listen'],
      ['vic', node.url, '--operator-listen'],
      ['shop', door, 'does not give the role operator to the identity shop'],
      ['stranger', door, 'has no identity for the JWT. Show what the node asks for: --token-file'],
    ] as const) {
      const refused = await as(name, url)(['status']);
      expect(refused, name).toMatchObject({ exitCode: exitCodes.notDone, out: '' });
      expect(refused.errors, name).toContain(text);
    }
    expect((await as('ops', door)(['status'])).exitCode).toBe(exitCodes.ok);
  });
});
