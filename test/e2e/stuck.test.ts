/**
 * Each kind of stuck transaction, found as an operator finds it: from the console's first page by
 * at most three clicks, and by one `verdict explain`. Both name the cause, and what to do.
 */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Client } from '../../src/client.ts';
import { serveParticipant, vote } from '../../src/participant.ts';
import { chromiumToTest, launch } from '../support/browser/chromium.ts';
import { ConsolePage } from '../support/browser/console-page.ts';
import { etcdsToTest, TestEtcd } from '../support/etcd/etcd.ts';
import { TcpProxy } from '../support/network/tcp-proxy.ts';
import { EtcdCluster } from '../support/nodes/etcd-cluster.ts';
import { eventually } from '../support/process/child.ts';
import { runCli } from '../support/process/cli-process.ts';
import { slownessFactor } from '../support/process/slowness.ts';

const [programs] = await etcdsToTest();
const chromium = await chromiumToTest();
const never = 60_000 * slownessFactor;
const maxClicks = 3;

describe.skipIf(programs === undefined || chromium === null)('what is stuck', () => {
  let etcd: TestEtcd;
  let cluster: EtcdCluster;
  let client: Client;
  let browser: Browser;
  let opened: ConsolePage | null = null;
  let clicks = 0;
  const ended: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    if (programs === undefined || chromium === null) return;
    etcd = await TestEtcd.start(programs, { members: 3 });
    cluster = await EtcdCluster.started({
      etcd,
      secured: false,
      participants: ['stock', 'ledger'],
      // The leader holds out for so long: a page and a command are asked meanwhile.
      leaseTtlMs: 15_000 * slownessFactor,
      options: {
        attentionAfter: 2,
        ackTimeoutMs: 300,
        maxRetryDelayMs: 200,
        transactionTimeoutMs: never,
        participantWaitMs: never,
      },
    });
    client = await cluster.client();
    browser = await launch(chromium);
  });

  afterEach(async () => {
    const faults = opened?.faults ?? [];
    await opened?.close();
    opened = null;
    for (const end of ended.splice(0).reverse()) await end();
    expect(faults).toEqual([]);
  });

  afterAll(async () => {
    await browser?.close();
    await cluster?.remove();
    await etcd?.dispose();
  });

  /** Its first page, at a node that does not lead. */
  async function console(): Promise<Page> {
    const [follower] = await cluster.followers();
    const page = await consoleAt(follower?.url ?? '');
    opened?.visited.add((await cluster.led()).url);
    return page;
  }

  async function consoleAt(url: string): Promise<Page> {
    opened = await ConsolePage.opened(browser, url);
    clicks = 0;
    await opened.page.locator('.fresh.ready').waitFor();
    return opened.page;
  }

  async function click(what: Locator): Promise<void> {
    clicks += 1;
    await what.click();
  }

  const view = (page: Page, name: string): Locator =>
    page.getByRole('navigation').getByRole('link', { name });

  /** The console stands at that transaction, and says this; so does the command. */
  async function said(page: Page, txid: string, texts: readonly RegExp[]): Promise<void> {
    expect(clicks).toBeLessThanOrEqual(maxClicks);
    await page.locator('.headline', { hasText: txid }).waitFor();
    let shown = '';
    const onPage = eventually(
      async () => {
        shown = spaced(await page.locator('main').innerText());
        return texts.every((text) => text.test(shown)) ? true : null;
      },
      () => `the console to say ${texts}; it says ${shown}`,
    );
    const inCommand = eventually(
      async () => {
        const { out, exitCode } = await runCli(['explain', txid, '--url', cluster.urls.join(',')]);
        // 4: nothing is known of it, at the moment.
        expect([0, 4], out).toContain(exitCode);
        return texts.every((text) => text.test(spaced(out))) ? true : null;
      },
      () => `the command to say ${texts}`,
    );
    // At once: neither stays true.
    await Promise.all([onPage, inCommand]);
  }

  /** From the list of those that need an operator. */
  async function inAttention(page: Page, txid: string): Promise<void> {
    await click(view(page, 'Attention'));
    await click(page.getByRole('link', { name: txid }));
  }

  async function committed(branches: readonly { participant: string }[]): Promise<string> {
    const { outcome, txid } = await client.transact({ branches });
    expect(outcome).toBe('committed');
    if (txid === undefined) throw new Error('It has no txid.');
    return txid;
  }

  it('for want of a participant: it is named, with what it has to be started on', async () => {
    const ledger = cluster.participant('ledger');
    await ledger.kill();
    await ledger.start({ crashAt: 'before-commit-applied' });
    await ledger.connected();
    ended.push(async () => {
      if (!ledger.running) await ledger.start();
      await ledger.connected();
    });
    const txid = await committed([{ participant: 'stock' }, { participant: 'ledger' }]);
    const page = await console();
    await inAttention(page, txid);
    await said(page, txid, [
      /waits for ledger \(instance \w+\), which is not connected/,
      /Start ledger again with the data directory of instance \w+/,
    ]);
    // What is done about one that never comes back asks first.
    await page.getByRole('button', { name: 'Acknowledge ledger' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('This cannot be taken back.').waitFor();
    expect(await dialog.getByRole('button', { name: /Acknowledge/ }).isDisabled()).toBe(true);
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(await page.getByRole('button', { name: 'Retire ledger' }).count()).toBe(1);
  });

  it('by a commit that fails: the error is there; retried and acknowledged from the page', async () => {
    let fails = true;
    const shelf = await serveParticipant({
      name: 'shelf',
      urls: cluster.urls,
      dataDirectory: mkdtempSync(join(cluster.directory, 'shelf-')),
      prepare: () => vote.commit(),
      commit: async () => {
        if (fails) throw new Error('the disk is full');
      },
      rollback: () => undefined,
    });
    ended.push(() => shelf.close({ timeoutMs: 0 }));
    await shelf.connected();
    const txid = await committed([{ participant: 'shelf' }]);
    const page = await console();
    await inAttention(page, txid);
    await said(page, txid, [
      /waits for shelf .*to acknowledge its commit/,
      /the disk is full/,
      /Put right what shelf says is wrong/,
      new RegExp(`verdict retry ${txid.replaceAll('.', '\\.')}`),
    ]);
    // At a follower an action is handed to the leader's page.
    const act = async (button: string): Promise<Locator> => {
      await page.getByRole('button', { name: button }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel(/Reason/).fill('a drill');
      await dialog.getByRole('button', { name: button }).click();
      await dialog.getByRole('status').waitFor();
      return dialog;
    };
    const handed = await act('Retry now');
    await handed.getByRole('link', { name: 'Open its console' }).click();
    await page.waitForURL(new RegExp(`^http://${(await cluster.led()).url}/`));
    await page.locator('.headline', { hasText: txid }).waitFor();
    const retried = await act('Retry now');
    await retried.getByText('sent again: 1 of 1').waitFor();
    await retried.getByRole('button', { name: 'Close' }).click();
    const settled = await act('Acknowledge shelf');
    await settled.getByText('the transaction is COMMITTED').waitFor();
    await settled.getByRole('button', { name: 'Close' }).click();
    await said(page, txid, [/shelf was settled by hand/, /a drill/, /COMMITTED/]);
    expect(await page.getByRole('button', { name: /Retry|Acknowledge/ }).count()).toBe(0);
    fails = false;
    await eventually(
      async () => {
        const { out } = await runCli(['recover', '--json', '--url', cluster.urls.join(',')]);
        return JSON.parse(out).pending === 0 ? true : null;
      },
      () => 'the participant to have acknowledged by itself',
    );
  });

  it('at a lock: its holder is named, and is a click away; resolved from the page', async () => {
    const holder = await client.begin({ timeoutMs: never });
    await holder.lock('till');
    const waiter = await client.begin({ timeoutMs: never });
    const waiting = waiter.lock('till', { waitMs: never });
    const page = await console();
    await click(view(page, 'Locks'));
    const short = waiter.txid.slice(-12);
    await click(page.locator('table').getByRole('link', { name: short }).first());
    await said(page, waiter.txid, [
      /waited .+ for the lock "till" \(exclusive\), behind/,
      new RegExp(`verdict explain ${holder.txid.replaceAll('.', '\\.')}`),
    ]);
    await click(page.getByRole('link', { name: holder.txid.slice(-12) }).first());
    await said(page, holder.txid, [/waits for its client, which has not called commit/]);
    await page.goto(`http://${(await cluster.led()).url}/console/#/tx/${holder.txid}`);
    await page.getByRole('button', { name: /Resolve/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(/Reason/).fill('its client is gone');
    await dialog.getByRole('button', { name: /Resolve/ }).click();
    await dialog.getByText(/The node says: abort/).waitFor();
    await waiting;
    await waiter.rollback();
  });

  /** Its vote is there, and the other's is still to come: the decision is not. */
  async function votedFirst(name: string) {
    const begun = await client.begin({ timeoutMs: never });
    await begun.enlist({ participant: name });
    await begun.enlist({ participant: 'stock', payload: { delayMs: 1_500 * slownessFactor } });
    const committing = begun.commit();
    await eventually(
      async () => {
        const { branches } = await client.status(begun.txid);
        const isVoted = branches.some(
          ({ participant, state }) => participant === name && state === 'prepared',
        );
        return isVoted ? true : null;
      },
      () => `the vote of ${name}`,
    );
    return { begun, committing };
  }

  it('in doubt behind a cut: who is cut off is named, and that it may run', async () => {
    const nodes = [...cluster.nodes.values()];
    const proxies = await Promise.all(nodes.map(({ port }) => TcpProxy.started(port)));
    const routes = Object.fromEntries(nodes.map(({ url }, at) => [url, proxies[at]?.url ?? '']));
    const far = await cluster.addParticipant('far', {
      urls: proxies.map(({ url }) => url),
      routes,
    });
    ended.push(async () => {
      for (const proxy of proxies) proxy.heal();
      await far.connected();
      await eventually(
        () => (far.state().journalOpen.length === 0 ? true : null),
        () => 'the doubt to end',
      );
      await Promise.all(proxies.map((proxy) => proxy.close()));
    });
    const { begun, committing } = await votedFirst('far');
    for (const proxy of proxies) {
      proxy.refuse();
      proxy.cut();
    }
    expect(await committing).toMatchObject({ outcome: 'committed' });
    expect(far.state().journalOpen.join()).toContain(begun.txid);
    const page = await console();
    await inAttention(page, begun.txid);
    await said(page, begun.txid, [
      /waits for far \(instance \w+\), which is not connected/,
      /let it reach the nodes if it runs/,
    ]);
  });

  it('in doubt for a process that stands still: who does not answer is named', async () => {
    const still = await cluster.addParticipant('still');
    const { begun, committing } = await votedFirst('still');
    still.child.signal('SIGSTOP');
    ended.push(async () => {
      still.child.signal('SIGCONT');
      await still.connected();
      await eventually(
        () => (still.state().journalOpen.length === 0 ? true : null),
        () => 'the doubt to end',
      );
    });
    expect(await committing).toMatchObject({ outcome: 'committed' });
    const page = await console();
    await inAttention(page, begun.txid);
    await said(page, begun.txid, [
      /waits for still \(instance \w+\)/,
      // As long as its connection stands, and when the node has dropped it.
      /look whether its process stands still|let it reach the nodes if it runs/,
    ]);
  });

  it('at an etcd without a quorum: the log is named, while the leader holds out and after', async () => {
    const begun = await client.begin({ timeoutMs: never });
    await begun.enlist({ participant: 'stock' });
    const page = await console();
    const [, ...others] = etcd.members;
    await Promise.all(others.map((member) => member.kill()));
    ended.push(async () => {
      for (const member of others) member.launch();
      await Promise.all(etcd.members.map((member) => member.ready()));
    });
    const committing = begun.commit().catch((error: unknown) => error);
    await click(page.locator('.chips').getByRole('link', { name: 'READY' }));
    await click(page.getByRole('link', { name: begun.txid }));
    await said(page, begun.txid, [
      /waited .+ for the decision log to make its commit durable/,
      /with etcd its quorum, disk and space alarm/,
    ]);
    // Its lease has run out then, and no one leads.
    await page.locator('.headline', { hasText: 'UNREADABLE' }).waitFor();
    expect(opened?.faults).toEqual([]);
    await opened?.close();
    for (const { url } of cluster.nodes.values()) {
      const later = await consoleAt(url);
      const banner = later.getByRole('alert');
      await banner.getByText('No node leads.').waitFor();
      await banner.getByText(/has no quorum .* Do not restart the nodes/).waitFor();
      await later.getByText('1 shard of 1 without a leader: 0').waitFor();
      await click(banner.getByRole('link', { name: 'See what was under way' }));
      await click(later.getByRole('link', { name: begun.txid }));
      await said(later, begun.txid, [
        /the decision log does not answer/,
        /every branch had voted, and its commit was being written/,
        /has it prepared and waits for the outcome/,
        /with etcd its quorum, disk and space alarm/,
      ]);
      // From the box at the top, too.
      await later.goto(`http://${url}/console/`);
      await later.getByRole('searchbox').fill(begun.txid);
      await later.getByRole('searchbox').press('Enter');
      await later.locator('.headline', { hasText: 'UNREADABLE' }).waitFor();
      expect(opened?.faults).toEqual([]);
      await opened?.close();
    }
    const last = await consoleAt(cluster.urls[0] ?? '');
    await last.getByText('1 shard of 1 without a leader: 0').waitFor();
    await last.goto(`http://${cluster.urls[0]}/console/#/tx/${begun.txid}`);
    for (const member of others) member.launch();
    ended.pop();
    await Promise.all(etcd.members.map((member) => member.ready()));
    await committing;
    await last.locator('.headline', { hasText: /COMMITTED|ABORTED/ }).waitFor();
    await eventually(
      async () => ((await last.getByRole('alert').count()) === 0 ? true : null),
      () => 'the banner to be gone',
    );
  });
});

/** As it is read: where lines end is the page's, or the terminal's. */
function spaced(text: string): string {
  return text.replaceAll(/\s+/g, ' ');
}
