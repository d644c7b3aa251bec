/** The examples that need databases, each by its one command, as a newcomer runs it. */
import { describe, expect, it } from 'vitest';
import { etcdsToTest } from '../support/etcd/etcd.ts';
import { skipWithout } from '../support/nodes/docker.ts';
import { example } from '../support/process/example.ts';
import { lacking } from '../support/process/lacking.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing } from '../support/resources/mariadb.ts';

const timeoutMs = 240_000 * slownessFactor;
const noMariadb = await mariadbMissing();
const noMysql = await mariadbMissing('mysql');
const noEtcd = lacking((await etcdsToTest()).length === 0 ? 'there is no etcd here' : null);

/** What each kill left prepared, in both databases together. */
function leftByKills(told: string): number[] {
  const lines = told.matchAll(/kill -9 after \d+ orders: (\d+) prepared in \w+, (\d+) in \w+/g);
  return [...lines].map(([, first, second]) => Number(first) + Number(second));
}

describe.for([
  { decides: 'the shop itself decides', args: [], missing: noMariadb },
  { decides: 'a cluster decides', args: ['--cluster'], missing: noMariadb ?? noEtcd },
  { decides: 'the shop itself decides, over MySQL', args: ['--mysql'], missing: noMysql },
])('two databases in one service, where $decides', ({ args, missing }) => {
  skipWithout(missing);

  it('the books agree after each kill -9', { timeout: timeoutMs }, async () => {
    const { status, told } = await example(['two-databases', ...args], { timeoutMs });
    expect(told).toContain('The books of both databases agree, and nothing is left prepared.');
    expect(leftByKills(told)).toHaveLength(5);
    // A kill between two orders would show nothing.
    expect(Math.max(...leftByKills(told))).toBeGreaterThan(0);
    expect(told).toMatch(/^\d+ orders were confirmed, [1-9]\d* refused: the globe is sold out/m);
    expect(status).toBe(0);
  });
});

describe('an order over PostgreSQL and MariaDB, with Kysely', () => {
  skipWithout(noMariadb);

  it('commits, aborts, and survives a participant', { timeout: timeoutMs }, async () => {
    const { status, told } = await example(['kysely-order'], { timeoutMs });
    const lines = told.split('\n').filter((line) => !line.startsWith('verdict: '));
    expect(lines.slice(1)).toEqual([
      'order-1: committed. 1 lamps left, anna has 10200 cents.',
      'order-2: aborted. There are not 2 of lamp.',
      'payment has voted to commit order-3, and is killed with -9',
      'order-3: committed. 0 lamps left, anna has 5300 cents.',
      'order-3 is still prepared in PostgreSQL; payment is started again',
      'anna has 5300 cents, charged for order-1 and order-3; 0 of lamp left',
      'The books are in order.',
    ]);
    expect(status).toBe(0);
  });
});

it.for([
  ['two-databases', '--clutser'],
  ['kysely-order', '--cluster'],
])('%s says which options it has', async (args) => {
  const { status, told } = await example(args);
  expect(told).toContain(`npm run example -- ${args[0]}`);
  expect(status).toBe(2);
});
