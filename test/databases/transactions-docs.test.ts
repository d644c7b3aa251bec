/** The first programs that documents show of two databases, on real servers. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryDirectory } from '../support/logs/stores.ts';
import { Child } from '../support/process/child.ts';
import { mariadbMissing, startMariadb } from '../support/resources/mariadb.ts';
import { startPostgresql } from '../support/resources/postgresql.ts';

const root = new URL('../../', import.meta.url);
const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, the programs of two databases: ${missing}`);

it.skipIf(missing !== null).each(['README.md', 'docs/TWO-DATABASES.md'])(
  'the shortest program of %s writes to both databases',
  async (document) => {
    const text = await readFile(new URL(document, root), 'utf8');
    const programs = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code]) => code ?? '');
    const code = programs.find((each) => each.includes("from 'verdict/mariadb'")) ?? '';
    const directory = temporaryDirectory();
    const postgresql = await startPostgresql();
    const mariadb = await startMariadb();
    try {
      const orders = await postgresql.database('CREATE TABLE orders (id int, item text)');
      const stock = await mariadb.database([
        'CREATE TABLE stock (item varchar(20) PRIMARY KEY, free int)',
        "INSERT INTO stock VALUES ('lamp', 3)",
      ]);
      const uriOf = (scheme: string, at: typeof orders | typeof stock): string =>
        `${scheme}://${at.user}@${at.host}:${at.port}/${at.database}`;
      const program = code
        .replace('postgres://shop@127.0.0.1/orders', uriOf('postgres', orders))
        .replace('mysql://shop@127.0.0.1/stock', uriOf('mysql', stock))
        .replaceAll(/'verdict\/(\w+)'/g, (_, name) =>
          JSON.stringify(new URL(`src/${name}.ts`, root).href),
        );
      expect(program).not.toBe(code);
      const file = join(directory.path, 'program.ts');
      await writeFile(file, program);
      const child = new Child(file, { args: [], cwd: directory.path });
      expect(await child.exited).toEqual({ code: 0, signal: null });
      expect(child.lines).toEqual([]);
      const order = await postgresql.query(orders, 'SELECT id, item FROM orders');
      expect(order).toEqual([{ id: 17, item: 'lamp' }]);
      const [left] = await mariadb.query<{ free: number }>(stock, 'SELECT free FROM stock');
      expect(left?.free).toBe(2);
    } finally {
      await mariadb.dispose();
      await postgresql.dispose();
      directory.remove();
    }
  },
);
