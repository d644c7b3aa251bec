/**
 * `npm run demo -- --databases`: stock and payments in PostgreSQL, orders in MariaDB where there is
 * one, and a node that is killed.
 */
import { expect, it } from 'vitest';
import type { DemoSummary } from '../../cluster/demo/summary.ts';
import { scriptDirectory, startScript } from '../support/process/run-script.ts';

const orders = 100;

const directory = scriptDirectory();

it('the demo on databases adds up, and nothing is left in doubt', async () => {
  const args = ['--databases', '--orders', String(orders), '--data', directory.path, '--json'];
  const run = startScript('cluster/demo/main.ts', args);
  const { exitCode, out } = await run.ended;
  expect(run.errors()).toBe('');
  const summary = JSON.parse(out) as DemoSummary;
  expect(summary.checks.flatMap(({ problems }) => problems)).toEqual([]);
  expect(exitCode).toBe(0);
  expect(summary).toMatchObject({ ok: true, orders, unanswered: 0 });
  expect(summary.kills).toHaveLength(1);
  expect(summary.committed).toBeGreaterThan(orders / 2);
  const names = summary.checks.map(({ name }) => name);
  expect(names).toContain('Nothing is in doubt or unfinished anywhere');
});
