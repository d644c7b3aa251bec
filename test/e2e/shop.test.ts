import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../../cluster/launcher/free-ports.ts';
import { serviceNames } from '../../cluster/shop/paths.ts';
import type { ShopTotals } from '../../cluster/shop/totals.ts';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { until } from '../support/process/cli-process.ts';
import {
  endScripts,
  isRunning,
  type ScriptProcess,
  startScript,
} from '../support/process/run-script.ts';

const main = 'cluster/shop/main.ts';

let directory: ReturnType<typeof temporaryDirectory>;
let shop: ScriptProcess;
let pids: number[];

beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(async () => {
  await endScripts();
  await until('every service has ended', () => !pidsOf(shop).some(isRunning));
  directory.remove();
});

/** On a node that is not there: the services start all the same. */
async function open(...args: string[]): Promise<void> {
  const url = `127.0.0.1:${await freePort()}`;
  shop = startScript(main, ['--url', url, '--data', directory.path, ...args]);
  await until('every service has started', () => count(/\| info Started\./g) === 5);
  pids = pidsOf(shop);
}

function pidsOf({ errors }: ScriptProcess): number[] {
  return [...errors().matchAll(/started, pid (\d+)/g)].map(([, pid]) => Number(pid));
}

function count(pattern: RegExp): number {
  return [...shop.errors().matchAll(pattern)].length;
}

describe('the shop', () => {
  it('runs five services, says what they hold while they run, and stops in order', async () => {
    await open();
    expect(pids).toHaveLength(5);
    const { out, exitCode } = await startScript(main, [
      ...['totals', '--data', directory.path, '--json'],
    ]).ended;
    expect(exitCode).toBe(0);
    const totals = JSON.parse(out) as ShopTotals;
    expect(Object.keys(totals)).toEqual([...serviceNames]);
    expect(totals.inventory).toMatchObject({ committed: 0, inDoubt: 0, orderIds: [] });
    expect(totals.inventory.sums).toEqual({ stock: 200_000_010, taken: 0 });
    expect(totals.payment.sums['tillCents']).toBe(0);
    const got = await startScript(main, [
      ...['get', 'inventory', 'sku/sku-hot', '--data', directory.path],
    ]).ended;
    expect(JSON.parse(got.out)).toMatchObject({ record: { value: { stock: 10 }, version: 2 } });
    shop.kill('SIGTERM');
    expect((await shop.ended).exitCode).toBe(0);
    expect(pids.some(isRunning)).toBe(false);
  });

  it('reports a service that dies, and ends with 1 in the end', async () => {
    await open();
    process.kill(Number(pids[0]), 'SIGKILL');
    await until('the death is reported', () => count(/inventory ended \(SIGKILL\)\.\n/g) === 1);
    shop.kill('SIGTERM');
    expect((await shop.ended).exitCode).toBe(1);
  });

  it('starts a service again that died, where that was asked for', async () => {
    await open('--restart');
    process.kill(Number(pids[0]), 'SIGKILL');
    await until('it is started again', () => count(/inventory +\| info Started\./g) === 2);
    shop.kill('SIGTERM');
    expect((await shop.ended).exitCode).toBe(0);
  });

  it('takes its services with it, however it ends', async () => {
    await open();
    shop.kill('SIGKILL');
    await until('every service has ended', () => !pids.some(isRunning));
  });

  it('lets no second shop on its data, and says who is there', async () => {
    await open();
    const second = startScript(main, ['--data', directory.path]);
    expect((await second.ended).exitCode).toBe(1);
    expect(second.errors()).toMatch(/in use by the process with pid/);
    expect(second.errors()).not.toMatch(/ {4}at /);
  });

  it('tells what to do where there is no shop', async () => {
    await open('--restart');
    const none = startScript(main, ['totals', '--data', `${directory.path}/elsewhere`]);
    expect((await none.ended).exitCode).toBe(1);
    expect(none.errors()).toMatch(/Start the shop there first/);
  });
});
