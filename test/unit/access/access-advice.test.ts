/** `verdict config --check`: what can be read, and is not what was meant. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitCodes } from '../../../src/cli/exit-codes.ts';
import { runMain } from '../../support/process/cli-io.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'verdict-access-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const entry = (name: string, ...roles: readonly string[]) => ({
  name,
  credentials: [{ uri: `spiffe://shop/${name}` }],
  roles,
});
const rest = [entry('nodes', 'node'), entry('alice', 'operator')];

async function check(identities: readonly object[], more: object = {}) {
  const file = join(directory, 'access.json');
  writeFileSync(file, JSON.stringify({ identities, ...more }));
  const run = await runMain(['config', '--check', file]);
  return { ...run, warnings: run.out.split('\n').filter((line) => line.startsWith('warning: ')) };
}

describe('a rule without an effect', () => {
  const client = entry('shop', 'client');
  const stock = entry('stock', 'participant');
  it.each([
    [{ ...client, participants: ['stock'] }, /"participants" of shop .* role participant, and/],
    [{ ...stock, calls: ['stock'] }, /"calls" of stock has no effect: it is for the role client/],
    [{ ...stock, sees: 'all' }, /"sees" of stock .* or leave "sees" out\.$/],
    [{ ...client, lockGroups: ['orders'] }, /names orders, .*Write shared\/orders, as the client/],
    [{ ...client, lockGroups: ['orders*'] }, /names orders\*, which has no effect/],
    [{ ...client, calls: ['stok'] }, /"calls" of shop names stok, which no identity may serve/],
  ])('%j', async (identity, warning) => {
    const others = identity.name === 'stock' ? [client] : [stock];
    const { exitCode, out, warnings } = await check([identity, ...others, ...rest]);
    expect(exitCode).toBe(exitCodes.ok);
    expect(out).toContain(' 1 warning.');
    expect(warnings).toEqual([expect.stringMatching(warning)]);
  });

  it('is no rule that has one', async () => {
    const { exitCode, out, warnings } = await check([
      { ...client, calls: ['stock', 's*'], lockGroups: ['shared/a', 'sh*', '*'], sees: 'own' },
      { ...stock, participants: ['stock'] },
      ...rest,
    ]);
    expect({ exitCode, warnings }).toEqual({ exitCode: exitCodes.ok, warnings: [] });
    expect(out).toMatch(/can be used: 4 identities, 0 issuers\.\n$/);
  });

  it('calls what a pattern lets someone serve', async () => {
    const any = { ...stock, participants: ['st*'] };
    const { warnings } = await check([{ ...client, calls: ['anything'] }, any, ...rest]);
    expect(warnings).toEqual([]);
  });

  it('says who is missing', async () => {
    const { warnings } = await check([client]);
    expect(warnings).toEqual([
      expect.stringMatching(/^warning: No identity has the role node: /),
      expect.stringMatching(/^warning: No identity has the role operator: /),
    ]);
  });
});

describe('an issuer', () => {
  const keys = { file: 'keys.json' };
  const issuers = [{ issuer: 'https://id', audience: 'a', algorithms: ['ES256'], keys }];
  const shop = {
    ...entry('shop', 'client'),
    credentials: [{ issuer: 'https://id', subject: 's' }],
  };

  it.each([
    [null, /ENOENT/],
    ['no JSON', /JSON/],
    ['{}', /JSON Web Key Set/],
    ['{"keys":[]}', /it holds no key/],
  ])('with a file of keys that is %j is an error', async (text, why) => {
    if (text !== null) writeFileSync(join(directory, keys.file), text);
    const { exitCode, out, errors } = await check([shop, ...rest], { issuers });
    expect({ exitCode, out }).toEqual({ exitCode: exitCodes.fault, out: '' });
    expect(errors).toMatch(why);
    expect(errors).toMatch(/The keys of the issuer https:\/\/id .*Put its JWKS into .*keys\.json/);
  });

  it('that no one is of has no effect', async () => {
    const key = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' };
    writeFileSync(join(directory, keys.file), JSON.stringify({ keys: [key] }));
    expect((await check([shop, ...rest], { issuers })).warnings).toEqual([]);
    const { warnings } = await check(rest, { issuers });
    expect(warnings).toEqual([expect.stringMatching(/The issuer https:\/\/id has no effect/)]);
  });
});
