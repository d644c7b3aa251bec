/** What a decided run still does on a connection of MariaDB's that is swallowed just then. */
import { expect, it } from 'vitest';
import { mariadb as mariadbDatabase } from '../../src/mariadb.ts';
import { eventually, within } from '../support/process/child.ts';
import { slownessFactor } from '../support/process/slowness.ts';
import { mariadbMissing, mariadbOfFile } from '../support/resources/mariadb.ts';
import { openBehindProxy } from './behind-proxy.ts';

const noMariadb = await mariadbMissing();
if (noMariadb !== null) console.warn(`SKIPPED, swallowed ends on MariaDB: ${noMariadb}`);
const mariadb = noMariadb === null ? mariadbOfFile() : null;
const setup = [
  'CREATE TABLE sold (id int PRIMARY KEY, n int NOT NULL)',
  'INSERT INTO sold VALUES (1, 0)',
];
const raise = 'UPDATE sold SET n = n + 1 WHERE id = 1';
/** Longer than the test: no server ends a session for its time. */
const timeoutMs = 120_000;

/** The first of three databases is behind a proxy, and has one session. */
async function opened() {
  const server = mariadb?.();
  if (server === undefined) throw new Error('There is no MariaDB.');
  const far = await server.database(setup);
  const near = await server.database(setup);
  const other = await server.database(setup);
  const { db, proxy } = await openBehindProxy(far.port, (port) => ({
    far: mariadbDatabase({ ...far, port, maxSessions: 1 }),
    near: mariadbDatabase(near),
    other: mariadbDatabase(other),
  }));
  const swallow = (marker: string): void => {
    proxy.losesEnds = true;
    proxy.rule = (direction, bytes) => {
      if (direction !== 'request' || !bytes.includes(marker)) return 'pass';
      proxy.rule = null;
      return 'hold';
    };
  };
  const count = async () =>
    (await server.query<{ n: number }>(far, 'SELECT n FROM sold'))[0]?.n ?? null;
  return { db, swallow, count };
}

it.skipIf(mariadb === null)(
  'a commit that no answer comes to goes over another connection',
  async () => {
    const { db, swallow, count } = await opened();
    swallow('XA COMMIT');
    await db.run(
      async ({ far, near }) => {
        await far.query(raise);
        await near.query(raise);
      },
      { answer: 'decided', timeoutMs },
    );
    await eventually(
      async () => ((await count()) === 1 ? true : null),
      () => 'the commit',
      20_000 * slownessFactor,
    );
    expect(await db.run(({ far }) => far.query(raise))).toMatchObject({ affectedCount: 1 });
  },
);

it.skipIf(mariadb === null)('a session that was only read in gives its place back', async () => {
  const { db, swallow } = await opened();
  swallow('XA END');
  await db.run(
    async ({ far, near, other }) => {
      await near.query(raise);
      await other.query(raise);
      await far.query('SELECT n FROM sold');
    },
    { timeoutMs },
  );
  const next = db.run(({ far }) => far.query(raise), {
    timeoutMs: 10_000 * slownessFactor,
  });
  expect(await within(next, 'another run', 15_000 * slownessFactor)).toMatchObject({
    affectedCount: 1,
  });
});
