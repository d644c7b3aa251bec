/** A console in a real browser, which remembers all that a page may do wrong. */
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { patienceMs } from '../process/slowness.ts';

export class ConsolePage {
  readonly page: Page;
  /** Errors of the page, of its policy, and requests to other origins. */
  readonly faults: string[] = [];
  readonly origin: string;
  /** Hosts that a link leads to on purpose: other nodes. */
  readonly visited: Set<string> = new Set();

  private constructor(page: Page, origin: string) {
    this.page = page;
    this.origin = origin;
  }

  /** `address`: `host:port` of a node. */
  static async opened(
    browser: Browser,
    address: string,
    options: BrowserContextOptions & { readonly hash?: string; readonly tls?: true } = {},
  ): Promise<ConsolePage> {
    const { hash = '', tls = false, ...context } = options;
    const origin = `${tls ? 'https' : 'http'}://${address}`;
    const page = await (await browser.newContext(context)).newPage();
    page.setDefaultTimeout(patienceMs);
    const opened = new ConsolePage(page, origin);
    await opened.#watch();
    await page.goto(`${origin}/console/${hash}`);
    return opened;
  }

  async #watch(): Promise<void> {
    const { page, faults } = this;
    page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
    page.on('console', (message) => {
      // That a node is gone the browser says by itself: no page can keep it from that.
      const isLoss = /WebSocket connection to .* failed|net::ERR_CONNECTION/.test(message.text());
      if (message.type() === 'error' && !isLoss) faults.push(`console: ${message.text()}`);
    });
    const { visited } = this;
    visited.add(new URL(this.origin).host);
    page.on('request', (request) => {
      if (!visited.has(new URL(request.url()).host)) faults.push(`request: ${request.url()}`);
    });
    page.on('websocket', (socket) => {
      if (!visited.has(new URL(socket.url()).host)) faults.push(`socket: ${socket.url()}`);
    });
    await page.exposeFunction('tellViolation', (text: string) => faults.push(`policy: ${text}`));
    await page.addInitScript(
      `document.addEventListener('securitypolicyviolation', (event) => tellViolation(event.violatedDirective + ' ' + event.blockedURI));`,
    );
  }

  /** Of the figure with that label. */
  figure(label: string): Promise<string> {
    const item = this.page.locator('.figures li', { hasText: label });
    return item.locator('.value').innerText();
  }

  /** Whether anything makes the page wider than its window. */
  async overflow(): Promise<number> {
    return this.page.evaluate<number>(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    );
  }

  /** Things to act on that say nothing of themselves, and the like. */
  async unnamed(): Promise<readonly string[]> {
    return this.page.evaluate<string[]>(audit);
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}

/** In the page. As a text: this project knows no DOM. */
const audit = `(() => {
  const found = [];
  const nameOf = (element) => {
    const by = (element.getAttribute('aria-labelledby') ?? '')
      .split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ');
    const label = element.labels?.[0]?.textContent ?? '';
    return (element.getAttribute('aria-label') ?? (by.trim() || label || element.textContent || '')).trim();
  };
  for (const element of document.querySelectorAll('a, button, input, select, dialog, section[tabindex], [role=img]')) {
    if (nameOf(element) === '') found.push('no name: ' + element.outerHTML.slice(0, 120));
  }
  for (const element of document.querySelectorAll('[aria-labelledby], [aria-describedby]')) {
    for (const id of ((element.getAttribute('aria-labelledby') ?? '') + ' ' + (element.getAttribute('aria-describedby') ?? '')).trim().split(/\\s+/)) {
      if (document.getElementById(id) === null) found.push('no such id: ' + id);
    }
  }
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push('twice: ' + id);
  for (const element of document.querySelectorAll('[tabindex]')) {
    if (element.tabIndex > 0) found.push('out of order: ' + element.outerHTML.slice(0, 120));
  }
  if (document.querySelectorAll('main').length !== 1) found.push('not one main');
  if (document.querySelectorAll('h1').length !== 1) found.push('not one h1');
  if (document.documentElement.lang === '') found.push('no language');
  for (const cell of document.querySelectorAll('th')) {
    if (cell.getAttribute('scope') === null) found.push('a heading of nothing: ' + cell.textContent);
  }
  return found;
})()`;
