/** The console in a real browser, at a cluster under load whose leader is killed meanwhile. */
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chromiumToTest, launch } from '../support/browser/chromium.ts';
import { ConsolePage } from '../support/browser/console-page.ts';
import { ConsoleRig, hostileLabel } from '../support/browser/console-rig.ts';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { eventually } from '../support/process/child.ts';

const [programs] = await etcdsToTest();
const chromium = await chromiumToTest();

describe.skipIf(programs === undefined || chromium === null)('a console', () => {
  let rig: ConsoleRig;
  let browser: Browser;
  let stuck: string;
  let opened: ConsolePage | null = null;

  beforeAll(async () => {
    if (chromium === null) return;
    rig = await ConsoleRig.started();
    browser = await launch(chromium);
    stuck = await rig.stuck();
  });

  afterEach(async () => {
    const faults = opened?.faults ?? [];
    await opened?.close();
    opened = null;
    expect(faults).toEqual([]);
  });

  afterAll(async () => {
    await browser?.close();
    await rig?.stop();
  });

  async function open(options: Parameters<typeof ConsolePage.opened>[2] = {}): Promise<Page> {
    opened = await ConsolePage.opened(browser, rig.follower, options);
    return opened.page;
  }

  const page = (): ConsolePage => {
    if (opened === null) throw new Error('No page is open.');
    return opened;
  };

  it('is used by keys alone: from a search to a transaction, and to an action that asks first', async () => {
    const tab = await open();
    await tab.waitForSelector('.fresh.ready');
    await tab.keyboard.press('/');
    await tab.keyboard.type('4711');
    await tab.keyboard.press('Enter');
    const link = tab.locator('th a.id').first();
    await link.waitFor();
    // The table has what others wrote, as text.
    expect(await tab.locator('td', { hasText: '<img src=x' }).count()).toBeGreaterThan(0);
    expect(await tab.locator('main img').count()).toBe(0);
    expect(await tab.locator('main').innerText()).not.toContain(hostileLabel);
    for (let tabs = 0; tabs < 40; tabs += 1) {
      await tab.keyboard.press('Tab');
      if (await hasFocus(link)) break;
    }
    await tab.keyboard.press('Enter');
    await tab.waitForURL(/#\/tx\//);
    await tab.locator('.headline', { hasText: stuck }).waitFor();
    await tab.keyboard.press('Escape');
    await tab.keyboard.press('g');
    await tab.keyboard.press('a');
    await tab.waitForURL(/#\/attention/);
    const recover = tab.getByRole('button', { name: 'Recover' });
    await recover.focus();
    await tab.keyboard.press('Enter');
    const dialog = tab.getByRole('dialog');
    await dialog.waitFor();
    const doIt = dialog.getByRole('button', { name: 'Recover' });
    expect(await doIt.isDisabled()).toBe(true);
    await dialog.getByLabel(/Reason/).focus();
    await tab.keyboard.type('a drill');
    expect(await page().unnamed()).toEqual([]);
    await tab.keyboard.press('Enter');
    await dialog.getByText(/The node says/).waitFor();
    const close = dialog.getByRole('button', { name: 'Close' });
    expect(await hasFocus(close)).toBe(true);
    await tab.keyboard.press('Enter');
    await dialog.waitFor({ state: 'detached' });
    await tab.keyboard.press('?');
    await tab.getByRole('dialog').waitFor();
    await tab.keyboard.press('Escape');
    await tab.getByRole('dialog').waitFor({ state: 'detached' });
  });

  it('fits a phone in every view, and names all that can be acted on', async () => {
    const tab = await open({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
    for (const hash of [
      '#/overview',
      '#/transactions',
      '#/locks',
      '#/participants',
      '#/attention',
      `#/tx/${stuck}`,
    ]) {
      await tab.evaluate(`location.hash = ${JSON.stringify(hash)}`);
      await tab.locator('.card table, .card .empty, .headline').first().waitFor();
      await tab.locator('.fresh.ready').waitFor();
      expect(await page().overflow(), hash).toBe(0);
      expect(await page().unnamed(), hash).toEqual([]);
    }
  });

  it('goes on while the leader of a shard is killed, and says of whom it hears nothing', async () => {
    const tab = await open();
    await tab.locator('.figures').waitFor();
    const seen = async (): Promise<number> => Number(await page().figure('Committed per second'));
    await eventually(
      async () => ((await seen()) > 0 ? true : null),
      () => 'commits in the page',
    );
    const others = ['n1', 'n3'].map((name) => rig.cluster.node(name));
    const leads = await rig.cluster.leaders();
    const victim = others.find(({ name }) => leads.some((leader) => leader?.node === name));
    if (victim === undefined) throw new Error('Another node should lead.');
    await victim.kill();
    await tab.locator('tr', { hasText: victim.name }).locator('.bad-text').first().waitFor();
    await rig.load.moreOk(10);
    await eventually(
      async () => ((await seen()) > 0 ? true : null),
      () => 'commits after the kill',
    );
    // Each shard has a leader again, and the page has noticed.
    await tab.getByText('3 shards, each with a leader').waitFor();
    await rig.cluster.startAll();
  });

  it('keeps a question, and what was typed, whatever becomes of what it was asked of', async () => {
    const tab = await open();
    await tab.evaluate("location.hash = '#/attention'");
    await tab.getByRole('button', { name: /^Choose all/ }).click();
    await tab.getByRole('button', { name: 'Retry now' }).first().click();
    const dialog = tab.getByRole('dialog');
    await dialog.getByLabel(/Reason/).fill('a drill');
    await tab.evaluate("document.querySelectorAll('td input').forEach((box) => box.click())");
    await tab.getByText('chosen').waitFor({ state: 'detached' });
    const own = rig.cluster.node('n2');
    await own.kill();
    await tab.getByText(/Stale since/).waitFor();
    expect(await dialog.getByLabel(/Reason/).inputValue()).toBe('a drill');
    await rig.cluster.start('n2');
    await tab.locator('.fresh.ready').waitFor();
    expect(await dialog.getByLabel(/Reason/).inputValue()).toBe('a drill');
    await tab.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });

  it('says that what it shows is old while its own node is gone, and comes back by itself', async () => {
    const tab = await open();
    await tab.locator('.figures').waitFor();
    const own = rig.cluster.node('n2');
    await own.kill();
    await tab.getByText(/Stale since \d\d:\d\d:\d\d/).waitFor();
    await tab.locator('main.stale').waitFor();
    await rig.cluster.start('n2');
    await tab.locator('.fresh.ready').waitFor();
    expect(await tab.locator('main.stale').count()).toBe(0);
    expect(await tab.getByText(/Stale since/).count()).toBe(0);
  });
});

function hasFocus(at: Locator): Promise<boolean> {
  return at.evaluate((element) => element === element.ownerDocument.activeElement);
}
