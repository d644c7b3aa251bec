/**
 * `npm run demo -- --databases`: stock and payments in PostgreSQL, orders in MariaDB where there is
 * one, and a node that is killed.
 */
import { expect, it } from 'vitest';
import { demoRun } from '../support/process/demo-run.ts';
import { scriptDirectory } from '../support/process/run-script.ts';

const orders = 100;

const directory = scriptDirectory();

it('the demo on databases adds up, and nothing is left in doubt', async () => {
  const summary = await demoRun(orders, ['--databases', '--data', directory.path]);
  expect(summary.kills).toHaveLength(1);
  expect(summary.committed).toBeGreaterThan(orders / 2);
  const names = summary.checks.map(({ name }) => name);
  expect(names).toContain('Nothing is in doubt or unfinished anywhere');
});
