import { describe } from 'vitest';
import { openMariadbResource } from '../../src/mariadb.ts';
import { openPostgresqlResource } from '../../src/postgresql.ts';
import { mariadbForEach, mariadbMissing } from '../support/resources/mariadb.ts';
import { postgresqlForEach } from '../support/resources/postgresql.ts';
import { ormFeatures } from './orm-features.ts';
import { begunForEach } from './work-bench.ts';

const begun = begunForEach();
const left = "SELECT left_over AS n FROM stock_item WHERE item_name = 'lamp'";

describe('on PostgreSQL', () => {
  const at = postgresqlForEach(`
      CREATE TABLE stock_item (id serial PRIMARY KEY, item_name text NOT NULL,
        left_over int NOT NULL, big bigint, more jsonb);
      CREATE TABLE shelf (id int PRIMARY KEY, stock_item_id int);
      INSERT INTO stock_item (item_name, left_over) VALUES ('lamp', 10);
      INSERT INTO shelf VALUES (5, 1)`);
  ormFeatures({
    kind: 'postgresql',
    open: (prepare) =>
      begun(openPostgresqlResource({ name: 'stock', connection: at.connection, prepare })),
    left: async () => (await at.postgresql.query<{ n: number }>(at.connection, left))[0]?.n ?? -1,
  });
});

const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, libraries on MariaDB: ${missing}`);

describe.skipIf(missing !== null)('on MariaDB', () => {
  const at = mariadbForEach([
    `CREATE TABLE stock_item (id INT AUTO_INCREMENT PRIMARY KEY, item_name VARCHAR(50) NOT NULL,
       left_over INT NOT NULL, big BIGINT, more JSON)`,
    'CREATE TABLE shelf (id INT PRIMARY KEY, stock_item_id INT)',
    "INSERT INTO stock_item (item_name, left_over) VALUES ('lamp', 10)",
    'INSERT INTO shelf VALUES (5, 1)',
  ]);
  ormFeatures({
    kind: 'mariadb',
    open: (prepare) => {
      const { connection } = at;
      return begun(openMariadbResource({ name: connection.database, connection, prepare }));
    },
    left: async () => (await at.mariadb.query<{ n: number }>(at.connection, left))[0]?.n ?? -1,
  });
});
