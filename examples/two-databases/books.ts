/** What both databases say, read past Verdict, as a bookkeeper would. */
import mysql from 'mysql2/promise';
import pg from 'pg';

const inStock = { lamp: 10_000, chair: 10_000, table: 10_000, shelf: 10_000, globe: 3 };

export class Books implements AsyncDisposable {
  readonly #orders: pg.Client;
  readonly #stock: mysql.Connection;

  private constructor(orders: pg.Client, stock: mysql.Connection) {
    this.#orders = orders;
    this.#stock = stock;
  }

  /** Makes the tables, and fills the stock. */
  static async open(ordersUrl: string, stockUrl: string): Promise<Books> {
    const orders = new pg.Client({ connectionString: ordersUrl });
    await orders.connect();
    const stock = await mysql.createConnection(stockUrl);
    await orders.query('CREATE TABLE orders (id uuid PRIMARY KEY, item text NOT NULL)');
    await stock.query('CREATE TABLE stock (item varchar(20) PRIMARY KEY, free int NOT NULL)');
    await stock.query('INSERT INTO stock VALUES ?', [Object.entries(inStock)]);
    return new Books(orders, stock);
  }

  /** Branches that are prepared and neither committed nor rolled back, of each database. */
  async prepared(): Promise<readonly [postgresql: string[], mariadb: string[]]> {
    const { rows } = await this.#orders.query<{ gid: string }>('SELECT gid FROM pg_prepared_xacts');
    const [recover] = await this.#stock.query<mysql.RowDataPacket[]>('XA RECOVER');
    return [rows.map(({ gid }) => gid), recover.map(({ data }) => String(data))];
  }

  /** Whatever does not agree; `placed` are the orders that were confirmed to a customer. */
  async wrong(placed: ReadonlySet<string>): Promise<string[]> {
    const { rows } = await this.#orders.query<{ id: string; item: string }>('SELECT * FROM orders');
    const [stock] = await this.#stock.query<mysql.RowDataPacket[]>('SELECT item, free FROM stock');
    const wrong: string[] = [];
    for (const [item, before] of Object.entries(inStock)) {
      const ordered = rows.filter((row) => row.item === item).length;
      const taken = before - stock.find((row) => row['item'] === item)?.['free'];
      if (taken !== ordered) wrong.push(`${item}: ${ordered} ordered, ${taken} taken`);
    }
    const written = new Set(rows.map(({ id }) => id));
    for (const id of placed) if (!written.has(id)) wrong.push(`${id} was confirmed, and is lost`);
    return wrong;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#orders.end();
    await this.#stock.end();
  }
}
