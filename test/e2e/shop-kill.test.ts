import { readFileSync, writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import {
  type Facts,
  readFacts,
  readStoredFacts,
  unfinished,
} from '../../cluster/demo/internals/facts.ts';
import { layoutOf } from '../../cluster/demo/layout.ts';
import { demoOrders, orderLine } from '../../cluster/demo/orders.ts';
import { reconcile } from '../../cluster/demo/reconcile.ts';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { serviceNames } from '../../cluster/shop/paths.ts';
import { allConnectedText } from '../../cluster/shop/supervise.ts';
import { until } from '../support/process/cli-process.ts';
import { type ScriptProcess, scriptDirectory, startScript } from '../support/process/run-script.ts';

const directory = scriptDirectory();

/**
 * So many that those in flight at the five kills, which may be aborted, are no great part of them.
 */
const orderCount = 4_000;

it('adds up when each service of the shop is killed with -9 in the middle of its work', async () => {
  const layout = layoutOf(directory.path);
  const url = `127.0.0.1:${await freePort()}`;
  const lines = demoOrders(orderCount).map((order) => orderLine(order, 20_000));
  writeFileSync(layout.orders, `${lines.join('\n')}\n`);
  const node = startScript('bin/verdict.mjs', [
    ...['serve', '--data', layout.decisionLog, '--listen', url, '--node', 'n'],
    ...['--log-format', 'json', '--log-level', 'warn'],
  ]);
  const shop = startScript('cluster/shop/main.ts', [
    ...['--url', url, '--data', layout.shop, '--restart'],
  ]);
  await until('all services are connected', () => shop.out().includes(allConnectedText));

  const submit = startScript('bin/verdict.mjs', [
    ...['submit', layout.orders, '--url', url, '--json', '--timeout', '60000'],
  ]);
  const answered = (): number => submit.out().split('\n').length - 1;
  for (const [index, name] of serviceNames.entries()) {
    const due = ((index + 1) * orderCount) / (serviceNames.length + 2);
    await until(`${due} orders are answered`, () => answered() >= due);
    process.kill(newestPid(shop, name), 'SIGKILL');
  }
  expect((await submit.ended).exitCode).toBe(0);
  writeFileSync(layout.answers, submit.out());

  await untilQuiet();
  for (const script of [shop, node]) {
    script.kill('SIGTERM');
    expect((await script.ended).exitCode).toBe(0);
  }
  const facts: Facts = await readFacts(layout);
  expect(facts.answers).toHaveLength(orderCount);
  expect(reconcile(facts).flatMap(({ problems }) => problems)).toEqual([]);
  expect(shop.errors().match(/ended \(SIGKILL\)/g)).toHaveLength(serviceNames.length);
  expect(readFileSync(layout.answers, 'utf8')).toMatch(/"committed"/);

  async function untilQuiet(): Promise<void> {
    let left: readonly string[] = ['unknown'];
    const giveUpAtMs = performance.now() + 60_000;
    while (left.length > 0) {
      if (performance.now() > giveUpAtMs) throw new Error(left.join('\n'));
      await new Promise((resolve) => setTimeout(resolve, 100));
      left = [...unfinished(await readStoredFacts(layout))];
    }
  }
});

function newestPid(shop: ScriptProcess, name: string): number {
  const started = new RegExp(`\\| ${name} started, pid (\\d+)`, 'g');
  const pid = [...shop.errors().matchAll(started)].at(-1)?.[1];
  if (pid === undefined) throw new Error(`${name} was not started.`);
  return Number(pid);
}
