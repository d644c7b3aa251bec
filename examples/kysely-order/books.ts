/** Both databases, read past Verdict, as a bookkeeper would. */
import mysql from 'mysql2/promise';
import pg from 'pg';
import { isTxid, type Txid } from 'verdict/client';

export class Books implements AsyncDisposable {
  readonly #accounts: pg.Client;
  readonly #stock: mysql.Connection;

  private constructor(accounts: pg.Client, stock: mysql.Connection) {
    this.#accounts = accounts;
    this.#stock = stock;
  }

  /** Makes the tables: anna has 200.00, and there are three lamps. */
  static async open(accountsUrl: string, stockUrl: string): Promise<Books> {
    const accounts = new pg.Client({ connectionString: accountsUrl });
    await accounts.connect();
    const stock = await mysql.createConnection(stockUrl);
    await accounts.query(`
      CREATE TABLE account (owner text PRIMARY KEY, cents int NOT NULL);
      CREATE TABLE charge (order_id text PRIMARY KEY, cents int NOT NULL);
      INSERT INTO account VALUES ('anna', 20000)`);
    await stock.query('CREATE TABLE stock (sku varchar(20) PRIMARY KEY, free int NOT NULL)');
    await stock.query("INSERT INTO stock VALUES ('lamp', 3)");
    return new Books(accounts, stock);
  }

  /** Transactions whose part in PostgreSQL is prepared, and neither committed nor rolled back. */
  async preparedInPostgresql(): Promise<Txid[]> {
    const { rows } = await this.#accounts.query<{ gid: string }>(
      'SELECT gid FROM pg_prepared_xacts',
    );
    // verdict:PARTICIPANT:TXID:BRANCH:MARK
    return rows.map(({ gid }) => gid.split(':')[2] ?? '').filter((part) => isTxid(part));
  }

  async isAllEnded(): Promise<boolean> {
    const [inMariadb] = await this.#stock.query<mysql.RowDataPacket[]>('XA RECOVER');
    return inMariadb.length + (await this.preparedInPostgresql()).length === 0;
  }

  async told(): Promise<string> {
    const { rows: accounts } = await this.#accounts.query('SELECT owner, cents FROM account');
    const { rows: charges } = await this.#accounts.query(
      'SELECT order_id FROM charge ORDER BY order_id',
    );
    const [stock] = await this.#stock.query<mysql.RowDataPacket[]>('SELECT sku, free FROM stock');
    const money = accounts.map(({ owner, cents }) => `${owner} has ${cents} cents`).join();
    const orders = charges.map(({ order_id }) => order_id).join(' and ');
    const left = stock.map(({ sku, free }) => `${free} of ${sku} left`).join();
    return `${money}, charged for ${orders}; ${left}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#accounts.end();
    await this.#stock.end();
  }
}
