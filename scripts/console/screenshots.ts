/**
 * `node scripts/console/screenshots.ts`: takes the pictures of docs/console.md from a live cluster
 * of three nodes under load.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { findChromium, launch } from '../../test/support/browser/chromium.ts';
import { ConsolePage } from '../../test/support/browser/console-page.ts';
import { ConsoleRig } from '../../test/support/browser/console-rig.ts';

const folder = process.argv[2] ?? fileURLToPath(new URL('../../docs/console/', import.meta.url));
mkdirSync(folder, { recursive: true });

const found = await findChromium();
if ('missing' in found) throw new Error(found.missing);
const rig = await ConsoleRig.started();
const browser = await launch(found);
try {
  const stuck = await rig.stuck();
  const wide = { viewport: { width: 1280, height: 860 } } as const;
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1 } as const;
  const light = { colorScheme: 'light' } as const;
  const dark = { colorScheme: 'dark' } as const;
  const shots = [
    // First: waits end.
    ['locks', '#/locks', { ...wide, ...dark }],
    ['overview', '#/overview', { ...wide, ...light }],
    ['overview-dark', '#/overview', { ...wide, ...dark }],
    ['overview-phone', '#/overview', { ...phone, ...dark }],
    ['transactions', '#/transactions', { ...wide, ...light }],
    ['transaction', `#/tx/${stuck}`, { ...wide, ...light }],
    ['transaction-phone', `#/tx/${stuck}`, { ...phone, ...light }],
    ['participants', '#/participants', { ...wide, ...light }],
    ['attention', '#/attention', { ...wide, ...dark }],
  ] as const;
  for (const [name, hash, options] of shots) {
    const console = await ConsolePage.opened(browser, rig.follower, { ...options, hash });
    await console.page.waitForSelector('.card table, .figures');
    // The lines have a length by then.
    await console.page.waitForTimeout(name.startsWith('overview') ? 12_000 : 2_500);
    await console.page.screenshot({ path: join(folder, `${name}.png`) });
    if (console.faults.length > 0) throw new Error(console.faults.join('\n'));
    await console.close();
  }
} finally {
  await browser.close();
  await rig.stop();
}
