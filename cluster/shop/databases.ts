/**
 * Which of the shop's services keep their records in a database, and where that is: a file in the
 * shop's data.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceName } from './paths.ts';

export interface ServiceDatabase {
  readonly kind: 'postgresql' | 'mariadb';
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

export type ShopDatabases = Readonly<Partial<Record<ServiceName, ServiceDatabase>>>;

export function writeDatabases(data: string, databases: ShopDatabases): void {
  writeFileSync(fileIn(data), JSON.stringify(databases, null, 2));
}

export function readDatabases(data: string): ShopDatabases {
  const file = fileIn(data);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as ShopDatabases) : {};
}

function fileIn(data: string): string {
  return join(data, 'databases.json');
}
