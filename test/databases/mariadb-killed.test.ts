import { describe } from 'vitest';
import { openMariadbResource } from '../../src/mariadb.ts';
import { vote } from '../../src/participant.ts';
import { mariadbMissing, startMariadb } from '../support/resources/mariadb.ts';
import { type Bank, type BankServer, killedServer, type Transfer } from './killed-server.ts';

const tables = [
  'CREATE TABLE account (id INT PRIMARY KEY, balance BIGINT NOT NULL)',
  'INSERT INTO account VALUES (0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0)',
  'CREATE TABLE transfer (txid VARCHAR(64) PRIMARY KEY, amount BIGINT NOT NULL)',
];
const missing = await mariadbMissing();
if (missing !== null) console.warn(`SKIPPED, a killed MariaDB: ${missing}`);

describe.skipIf(missing !== null)('on a real server', () => {
  killedServer('MariaDB', async (): Promise<BankServer> => {
    const mariadb = await startMariadb();
    const root = await mariadb.database([]);
    return {
      server: mariadb.server,
      open: async (name, worked): Promise<Bank> => {
        const connection = await mariadb.database(tables);
        const resource = await openMariadbResource<Transfer>({
          name,
          connection,
          isolation: 'read committed',
          prepare: async (sql, { txid, payload: { account, amount } }) => {
            const update = 'UPDATE account SET balance = balance + ? WHERE id = ?';
            await sql.query(update, [amount, account]);
            await sql.query('INSERT INTO transfer VALUES (?, ?)', [txid, amount]);
            worked();
            return amount === 0 ? vote.abort('Nothing to transfer.') : vote.commit();
          },
        });
        return {
          resource,
          booked: async () => {
            const text = 'SELECT txid, amount FROM transfer';
            const rows = await mariadb.query<{ txid: string; amount: number }>(connection, text);
            return new Map(rows.map(({ txid, amount }) => [txid, amount]));
          },
          balance: async () => {
            const text = 'SELECT SUM(balance) AS sum FROM account';
            const rows = await mariadb.query<{ sum: string }>(connection, text);
            return Number(rows[0]?.sum);
          },
        };
      },
      prepared: async () => {
        const rows = await mariadb.query<{ data: Buffer }>(root, 'XA RECOVER');
        return rows.map(({ data }) => data.toString());
      },
      dispose: () => mariadb.dispose(),
    };
  });
});
