/** Who opens a console, and what each may do with it: with a token, and with an access file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeEpoch } from '../../src/core/txid.ts';
import { chromiumToTest, launch } from '../support/browser/chromium.ts';
import { ConsolePage } from '../support/browser/console-page.ts';
import { makeTxid } from '../support/core/txids.ts';
import { selfSigned, writeCredential } from '../support/network/certificates.ts';
import { NodeProcess } from '../support/nodes/node-process.ts';

const chromium = await chromiumToTest();
const tokens = { shared: 's'.repeat(32), alice: 'a'.repeat(32), bob: 'b'.repeat(32) } as const;

describe.skipIf(chromium === null)('a console', () => {
  let browser: Browser;
  let directory: string;
  let node: NodeProcess;
  let opened: ConsolePage;

  beforeAll(async () => {
    if (chromium !== null) browser = await launch(chromium);
  });
  afterAll(() => browser?.close());
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'verdict-console-'));
    for (const [name, token] of Object.entries(tokens)) {
      writeFileSync(join(directory, `${name}.token`), token, { mode: 0o600 });
    }
  });
  afterEach(async () => {
    const faults = opened.faults.filter((fault) => !/net::ERR_CERT/.test(fault));
    await opened.close();
    await node.stop();
    rmSync(directory, { recursive: true, force: true });
    expect(faults).toEqual([]);
  });

  const data = (): string => join(directory, 'data');
  const signIn = async (page: Page, token: string): Promise<void> => {
    await page.getByLabel('Token or JWT').fill(token);
    await page.getByRole('button', { name: 'Open' }).click();
  };
  const withAccess = async (): Promise<NodeProcess> => {
    const { cert, key } = writeCredential(directory, 'node', await selfSigned());
    const identity = (name: string, role: string): object => ({
      name,
      roles: [role],
      credentials: [{ tokenFile: `${name}.token` }],
    });
    const identities = [identity('alice', 'operator'), identity('bob', 'viewer')];
    const accessFile = join(directory, 'access.json');
    writeFileSync(accessFile, JSON.stringify({ identities }), { mode: 0o600 });
    const more = ['--tls-cert', cert, '--tls-key', key, '--access-file', accessFile];
    return NodeProcess.started({ data: data(), more });
  };

  it('asks for the token, takes the right one alone, and keeps it out of sight', async () => {
    node = await NodeProcess.started({ data: data(), tokenFile: join(directory, 'shared.token') });
    opened = await ConsolePage.opened(browser, node.url);
    const { page } = opened;
    await page.getByLabel('Token or JWT').waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    expect(await page.locator('.figures, main table').count()).toBe(0);
    await signIn(page, 'w'.repeat(32));
    await page.getByRole('alert').waitFor();
    expect(await page.getByLabel('Token or JWT').getAttribute('type')).toBe('password');
    await signIn(page, tokens.shared);
    await page.locator('.figures').waitFor();
    const stored = 'JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])';
    expect(await page.evaluate<string>(stored)).not.toContain(tokens.shared);
    expect(page.url()).not.toContain(tokens.shared);
    await page.reload();
    await page.getByLabel('Token or JWT').waitFor();
    await page.getByLabel(/Keep it in this tab/).check();
    await signIn(page, tokens.shared);
    await page.locator('.figures').waitFor();
    await page.reload();
    await page.locator('.figures').waitFor();
    expect(node.output()).not.toContain(tokens.shared);
  });

  it('lets an operator act, and one who only looks look', async () => {
    node = await withAccess();
    const options = { tls: true, ignoreHTTPSErrors: true, hash: '#/attention' } as const;
    opened = await ConsolePage.opened(browser, node.url, options);
    await signIn(opened.page, tokens.alice);
    await opened.page.getByRole('button', { name: 'Recover' }).waitFor();
    await opened.close();
    opened = await ConsolePage.opened(browser, node.url, options);
    const { page } = opened;
    await signIn(page, tokens.bob);
    await page.getByText('look only').waitFor();
    await page.getByText('Nothing needs an operator.').waitFor();
    expect(await page.locator('main button').count()).toBe(0);
    await page.evaluate(`location.hash = '#/overview'`);
    await page.locator('.figures').waitFor();
    // Why a transaction is where it is: that is looking, too.
    const epoch = makeEpoch({ generation: 0, revision: 7n });
    const foreign = makeTxid({ shard: 0, epoch, sequence: 3, random: 'abcdefghijklm' });
    await page.evaluate(`location.hash = '#/tx/${foreign}'`);
    await page.getByText(/No leader of this cluster ever gave that txid out/).waitFor();
    expect(await page.getByText('too old to tell').count()).toBe(0);
    expect(await page.locator('main button').count()).toBe(0);
  });

  it('is not served where it is turned off, and answers by no name of another', async () => {
    node = await NodeProcess.started({ data: data(), more: ['--no-console'] });
    const answer = await fetch(`http://${node.url}/console/`);
    expect(answer.status).toBe(404);
    await node.stop();
    node = await NodeProcess.started({ data: data(), more: ['--console-host', 'desk.example'] });
    opened = await ConsolePage.opened(browser, node.url);
    await opened.page.locator('.figures').waitFor();
  });
});
