import { vote } from '../../src/participant.ts';
import { openPostgresqlResource } from '../../src/postgresql.ts';
import { startPostgresql } from '../support/resources/postgresql.ts';
import { type Bank, type BankServer, killedServer, type Transfer } from './killed-server.ts';

const tables = `
  CREATE TABLE account (id int PRIMARY KEY, balance bigint NOT NULL);
  INSERT INTO account SELECT id, 0 FROM generate_series(0, 5) AS id;
  CREATE TABLE transfer (txid text PRIMARY KEY, amount bigint NOT NULL)`;

killedServer('PostgreSQL', async (): Promise<BankServer> => {
  const postgresql = await startPostgresql();
  const root = await postgresql.database('SELECT');
  return {
    server: postgresql.server,
    open: async (name, worked): Promise<Bank> => {
      const connection = await postgresql.database(tables);
      const resource = await openPostgresqlResource<Transfer>({
        name,
        connection,
        isolation: 'read committed',
        prepare: async (sql, { txid, payload: { account, amount } }) => {
          const update = 'UPDATE account SET balance = balance + $2 WHERE id = $1';
          await sql.query(update, [account, amount]);
          await sql.query('INSERT INTO transfer VALUES ($1, $2)', [txid, amount]);
          worked();
          return amount === 0 ? vote.abort('Nothing to transfer.') : vote.commit();
        },
      });
      return {
        resource,
        booked: async () => {
          const text = 'SELECT txid, amount FROM transfer';
          const rows = await postgresql.query<{ txid: string; amount: string }>(connection, text);
          return new Map(rows.map(({ txid, amount }) => [txid, Number(amount)]));
        },
        balance: async () => {
          const text = 'SELECT sum(balance) AS sum FROM account';
          const rows = await postgresql.query<{ sum: string }>(connection, text);
          return Number(rows[0]?.sum);
        },
      };
    },
    prepared: async () => {
      const text = 'SELECT gid FROM pg_prepared_xacts';
      return (await postgresql.query<{ gid: string }>(root, text)).map(({ gid }) => gid);
    },
    dispose: () => postgresql.dispose(),
  };
});
