import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { layoutOf } from '../../cluster/demo/layout.ts';
import type { CheckResult } from '../../cluster/demo/reconcile.ts';
import type { DemoSummary } from '../../cluster/demo/summary.ts';
import { storeDirectory } from '../../cluster/shop/paths.ts';
import { epochZero } from '../../src/core/txid.ts';
import { openVersionedStore, type StorePayload } from '../../src/versioned-store.ts';
import { never, txidAt } from '../support/logs/stores.ts';
import { until } from '../support/process/cli-process.ts';
import { isRunning, scriptDirectory, startScript } from '../support/process/run-script.ts';

const demo = 'cluster/demo/main.ts';

const directory = scriptDirectory();

async function failingChecks(): Promise<readonly CheckResult[]> {
  const { exitCode, out } = await startScript(demo, ['check', directory.path, '--json']).ended;
  const { checks } = JSON.parse(out) as { checks: readonly CheckResult[] };
  const failing = checks.filter(({ ok }) => !ok);
  expect(exitCode).toBe(failing.length === 0 ? 0 : 1);
  return failing;
}

describe('the demo', () => {
  it('survives the kill, adds up, and finds what is planted afterwards', async () => {
    const args = ['--orders', '200', '--data', directory.path, '--json'];
    const run = startScript(demo, args);
    const { exitCode, out } = await run.ended;
    expect(run.errors()).toBe('');
    const summary = JSON.parse(out) as DemoSummary;
    expect(summary.checks.flatMap(({ problems }) => problems)).toEqual([]);
    expect(exitCode).toBe(0);
    expect(summary).toMatchObject({ ok: true, orders: 200, unanswered: 0 });
    expect(summary.committed + summary.aborted).toBe(200);
    expect(summary.committed).toBeGreaterThan(100);
    expect(summary.abortedBy['CONFLICT']).toBeGreaterThan(0);
    expect(summary.abortedBy['VOTED_ABORT']).toBeGreaterThan(0);
    const [kill] = summary.kills;
    expect(kill?.afterAnswers).toBeGreaterThanOrEqual(100);
    expect(kill?.afterAnswers).toBeLessThan(200);
    // It was killed, and led again: its log says so twice.
    const nodeLog = readFileSync(layoutOf(directory.path).nodeLog, 'utf8');
    expect(nodeLog.match(/Leading/g)).toHaveLength(2);

    expect(await failingChecks()).toEqual([]);
    await plantTheft();
    expect((await failingChecks()).map(({ name }) => name)).toEqual([
      'inventory did what was committed, once, and nothing else',
      'The five stores agree, order by order, with what was ordered',
      'Stock left and stock taken are the stock there was',
      'Every version counts its writes',
    ]);
    turnOneAnswer();
    expect((await failingChecks()).map(({ name }) => name)).toContain(
      'Every answer agrees with the decision log',
    );
  });

  /** Somebody takes stock past the coordinator, and says less than it was. */
  async function plantTheft(): Promise<void> {
    const { shop } = layoutOf(directory.path);
    const store = await openVersionedStore({ dataDirectory: storeDirectory(shop, 'inventory') });
    const ref = { txid: txidAt(epochZero, 1), branch: 'theft' };
    const taken = { ...ref, orderId: null, items: [{ sku: 'sku-001', quantity: 1 }] };
    const payload: StorePayload = {
      writes: [
        { key: 'sku/sku-001', value: { stock: 1 } },
        { key: 'sku/sku-002', value: { stock: 1 } },
        { key: 'taken/theft', value: taken },
      ],
    };
    const resource = store.resource();
    const working = (): void => undefined;
    await resource.prepare({ ...ref, payload, signal: never, timeoutMs: 5_000, working });
    await resource.commit({ ...ref, payload });
    await store.close();
  }

  function turnOneAnswer(): void {
    const { answers } = layoutOf(directory.path);
    const text = readFileSync(answers, 'utf8');
    writeFileSync(answers, text.replace('"outcome":"committed"', '"outcome":"aborted"'));
  }

  it('refuses a directory that is not empty', async () => {
    appendFileSync(`${directory.path}/mine.txt`, 'mine');
    const run = startScript(demo, ['--data', directory.path]);
    expect((await run.ended).exitCode).toBe(1);
    expect(run.errors()).toMatch(/not empty/);
    expect(existsSync(`${directory.path}/mine.txt`)).toBe(true);
  });

  it('leaves no process behind when it is interrupted', async () => {
    const run = startScript(demo, ['--orders', '4000', '--data', directory.path]);
    await until('orders are being answered', () => run.errors().includes('1000 of 4000'));
    const { shopLog } = layoutOf(directory.path);
    const pids = [...readFileSync(shopLog, 'utf8').matchAll(/pid (\d+)/g)].map(([, pid]) =>
      Number(pid),
    );
    expect(pids).toHaveLength(5);
    expect(pids.every(isRunning)).toBe(true);
    run.kill('SIGINT');
    expect((await run.ended).exitCode).toBe(130);
    expect(pids.some(isRunning)).toBe(false);
  });

  /** `npm run` passes on the Ctrl-C that the terminal has sent already. */
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('leaves no directory behind, told twice: %s', async (signal, exitCode) => {
    const run = startScript(demo, ['--orders', '4000'], { TMPDIR: directory.path });
    await until('orders are being submitted', () => run.errors().includes('Submitting 4000'));
    expect(readdirSync(directory.path)).toHaveLength(1);
    run.kill(signal);
    await setTimeout(50);
    run.kill(signal);
    expect((await run.ended).exitCode).toBe(exitCode);
    expect(readdirSync(directory.path)).toEqual([]);
  });
});
