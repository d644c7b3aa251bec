/** Entities of the tests, without decorators: what Node runs as it is has none. */
import {
  EntitySchema,
  type EntitySubscriberInterface,
  EventSubscriber,
  type UpdateEvent,
} from 'typeorm';

export class Account {
  declare id: number;
  declare balance: number;
}

export const accounts: EntitySchema<Account> = new EntitySchema<Account>({
  name: 'Account',
  target: Account,
  tableName: 'account',
  columns: { id: { type: Number, primary: true }, balance: { type: Number } },
});

export interface ContractRow {
  name: string;
  value: string;
}

export const contractRows: EntitySchema<ContractRow> = new EntitySchema<ContractRow>({
  name: 'contract',
  columns: { name: { type: 'varchar', primary: true }, value: { type: 'text' } },
});

export class Order {
  declare id: number;
  declare version: number;
  declare customerName: string;
  declare lines: Promise<Line[]>;
}

export class Line {
  declare id: number;
  declare sku: string;
  declare order: Order;
}

export const orders: EntitySchema<Order> = new EntitySchema<Order>({
  name: 'Order',
  target: Order,
  tableName: 'orders',
  columns: {
    id: { type: Number, primary: true, generated: true },
    version: { type: Number, version: true },
    customerName: { type: String },
  },
  relations: {
    lines: { type: 'one-to-many', target: 'Line', inverseSide: 'order', lazy: true, cascade: true },
  },
});

export const lines: EntitySchema<Line> = new EntitySchema<Line>({
  name: 'Line',
  target: Line,
  tableName: 'line',
  columns: {
    id: { type: Number, primary: true, generated: true },
    sku: { type: String, unique: true },
  },
  relations: {
    order: {
      type: 'many-to-one',
      target: 'Order',
      inverseSide: 'lines',
      joinColumn: { name: 'order_id' },
      onDelete: 'CASCADE',
    },
  },
});

export interface Kinds {
  id: string;
  price: string;
  data: unknown;
  colour: 'red' | 'green';
  at: Date;
  bytes: Uint8Array;
  flag: boolean;
  maybe: string | null;
}

export const kindsOf = (postgresql: boolean): EntitySchema<Kinds> =>
  new EntitySchema<Kinds>({
    name: 'kinds',
    columns: {
      id: { type: 'bigint', primary: true },
      price: { type: 'decimal', precision: 20, scale: 4 },
      data: { type: postgresql ? 'jsonb' : 'json' },
      colour: { type: 'enum', enum: ['red', 'green'] },
      at: { type: postgresql ? 'timestamptz' : 'datetime', precision: 3 },
      bytes: { type: postgresql ? 'bytea' : 'longblob' },
      flag: { type: Boolean },
      maybe: { type: 'text', nullable: true },
    },
  });

export const typeormTables: Readonly<Record<'postgres' | 'mariadb', readonly string[]>> = {
  postgres: [
    'CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL)',
    'INSERT INTO account VALUES (1, 100), (2, 100)',
    'CREATE TABLE orders (id serial PRIMARY KEY, version int NOT NULL, customer_name text NOT NULL)',
    'CREATE TABLE line (id serial PRIMARY KEY, order_id int NOT NULL REFERENCES orders ON DELETE CASCADE, sku text NOT NULL UNIQUE)',
    `CREATE TYPE kinds_colour_enum AS ENUM ('red', 'green')`,
    'CREATE TABLE kinds (id bigint PRIMARY KEY, price decimal(20, 4) NOT NULL, data jsonb NOT NULL, colour kinds_colour_enum NOT NULL, at timestamptz(3) NOT NULL, bytes bytea NOT NULL, flag boolean NOT NULL, maybe text)',
  ],
  mariadb: [
    'CREATE TABLE account (id INT PRIMARY KEY, balance INT NOT NULL)',
    'INSERT INTO account VALUES (1, 100), (2, 100)',
    'CREATE TABLE orders (id INT PRIMARY KEY AUTO_INCREMENT, version INT NOT NULL, customer_name TEXT NOT NULL)',
    'CREATE TABLE line (id INT PRIMARY KEY AUTO_INCREMENT, order_id INT NOT NULL, sku VARCHAR(100) NOT NULL UNIQUE, FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE)',
    `CREATE TABLE kinds (id BIGINT PRIMARY KEY, price DECIMAL(20, 4) NOT NULL, data JSON NOT NULL, colour ENUM ('red', 'green') NOT NULL, at DATETIME(3) NOT NULL, bytes LONGBLOB NOT NULL, flag TINYINT NOT NULL, maybe TEXT)`,
  ],
};

export const seen: string[] = [];

export class Listener implements EntitySubscriberInterface<Account> {
  listenTo(): typeof Account {
    return Account;
  }

  async afterUpdate({ manager }: UpdateEvent<Account>): Promise<void> {
    const [row] = (await manager.query('SELECT balance FROM account WHERE id = 1')) as Account[];
    seen.push(`update ${row?.balance}`);
  }
}
// As a decorator does it.
EventSubscriber()(Listener);
