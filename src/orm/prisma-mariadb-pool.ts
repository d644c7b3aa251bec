/**
 * The branch as a pool of the package `mariadb`, which Prisma's adapter for MariaDB and MySQL works
 * with: the resource's own driver is `mysql2`.
 */
import mysql from 'mysql2';
import { ormClient } from '../resources/mariadb/orm-client.ts';
import type { Sql } from '../resources/sql/sql.ts';

interface Request {
  readonly sql: string;
}

/** As `mysql2` gives a column. */
interface Column {
  readonly name: string;
  readonly columnType: number;
  readonly characterSet: number;
  readonly flags: number;
  readonly extendedFormat?: string;
}

/** A value before it is read, as `mysql2` gives it to `typeCast`. */
interface Field {
  readonly type: string;
  readonly extendedFormat?: string;
  string(encoding?: string): string | null;
  buffer(): Uint8Array | null;
}

interface Driver {
  release?(): void;
  execute(statement: object, values?: readonly unknown[]): Promise<[unknown, Column[] | undefined]>;
}

// biome-ignore lint/suspicious/noExplicitAny: the adapter wants the driver's own Pool
export function mariadbPool(sql: Sql, version: string): any {
  const pool = ormClient(sql);
  const on = connectionOn(pool);
  return {
    ...on,
    // The adapter asks each pool anew.
    query: (request: Request) =>
      /^select version\(\)$/i.test(request.sql) ? Promise.resolve([[version]]) : on.query(request),
    getConnection: async () => connectionOn(await pool.getConnection()),
    end: async () => undefined,
  };
}

function connectionOn(driver: Driver) {
  const run = async (request: Request, values: readonly unknown[] = []): Promise<unknown> => {
    const [result, columns] = await driver.execute(
      {
        sql: request.sql,
        rowsAsArray: true,
        supportBigNumbers: true,
        bigNumberStrings: true,
        typeCast: textOf,
      },
      values.map(sent),
    );
    if (!Array.isArray(result)) return result;
    return Object.assign(result, { meta: (columns ?? []).map(metaOf) });
  };
  const nothing = (): void => undefined;
  return {
    query: run,
    execute: run,
    on: nothing,
    off: nothing,
    release: async () => driver.release?.(),
  };
}

/** Whole numbers as such: `mysql2` sends each as a DOUBLE, where it can send anything else. */
function sent(value: unknown): unknown {
  if (!Number.isSafeInteger(value) && typeof value !== 'bigint') return value;
  const whole = typedParameter?.LONGLONG;
  if (whole === undefined) return value;
  return (value as bigint) > 2n ** 63n - 1n ? whole.unsigned(value) : whole(value);
}

/** Since 3.23. */
const { TypedParameter: typedParameter } = mysql as unknown as {
  readonly TypedParameter?: {
    readonly LONGLONG: { (value: unknown): unknown; unsigned(value: unknown): unknown };
  };
};

const times: ReadonlySet<string> = new Set(['DATE', 'NEWDATE', 'DATETIME', 'TIMESTAMP', 'TIME']);

/** Times and JSON as text. */
function textOf(field: Field, next: () => unknown): unknown {
  if (field.type === 'GEOMETRY') return field.buffer();
  if (field.type === 'JSON') return field.string('utf8');
  return times.has(field.type) || field.extendedFormat === 'json' ? field.string() : next();
}

/** What `mariadb` calls the types of the protocol. */
const typeNames: ReadonlyMap<number, string> = new Map([
  [0, 'DECIMAL'],
  [1, 'TINY'],
  [2, 'SHORT'],
  [3, 'INT'],
  [4, 'FLOAT'],
  [5, 'DOUBLE'],
  [6, 'NULL'],
  [7, 'TIMESTAMP'],
  [8, 'BIGINT'],
  [9, 'INT24'],
  [10, 'DATE'],
  [11, 'TIME'],
  [12, 'DATETIME'],
  [13, 'YEAR'],
  [14, 'NEWDATE'],
  [15, 'VARCHAR'],
  [16, 'BIT'],
  [245, 'JSON'],
  [246, 'NEWDECIMAL'],
  [247, 'ENUM'],
  [249, 'TINY_BLOB'],
  [250, 'MEDIUM_BLOB'],
  [251, 'LONG_BLOB'],
  [252, 'BLOB'],
  [253, 'VAR_STRING'],
  [254, 'STRING'],
  [255, 'GEOMETRY'],
]);

function metaOf({ name, columnType, characterSet, flags, extendedFormat }: Column) {
  return {
    name: () => name,
    type: typeNames.get(columnType) ?? String(columnType),
    flags,
    collation: { index: characterSet },
    dataTypeFormat: extendedFormat,
  };
}
