/** `npm run demo`, as a user runs it. */
import { expect } from 'vitest';
import type { DemoSummary } from '../../../cluster/demo/summary.ts';
import { startScript } from './run-script.ts';

/** What it sums up, if its books add up and every order was answered. */
export async function demoRun(orders: number, args: readonly string[]): Promise<DemoSummary> {
  const run = startScript('cluster/demo/main.ts', [...args, '--orders', `${orders}`, '--json']);
  const { exitCode, out } = await run.ended;
  expect(run.errors()).toBe('');
  const summary = JSON.parse(out) as DemoSummary;
  expect(summary.checks.flatMap(({ problems }) => problems)).toEqual([]);
  expect(exitCode).toBe(0);
  expect(summary).toMatchObject({ ok: true, orders, unanswered: 0 });
  return summary;
}
