/** What the shop's stores hold, read from their files whether or not the services run. */

import { readContent, storeFile } from '../../../src/resources/versioned-store/records.ts';
import { readLmdb } from '../../../src/store/lmdb.ts';
import { readDatabases } from '../databases.ts';
import { type ServiceName, serviceNames, storeDirectory } from '../paths.ts';
import type { Effect, ServiceContent } from '../service.ts';
import { effectPrefixes } from '../services.ts';
import { readNotices } from './notices.ts';

export type ShopContents = Readonly<Record<ServiceName, ServiceContent>>;

/** There is no shop, or not all of it, in the directory. */
export class NoShopError extends Error {
  override readonly name = 'NoShopError';
}

/**
 * Each store is one consistent snapshot; where the shop is at work, one is taken a moment after the
 * other.
 */
export async function readShop(data: string): Promise<ShopContents> {
  const found: [ServiceName, ServiceContent][] = [];
  for (const name of serviceNames) found.push([name, await readStore(data, name)]);
  return Object.fromEntries(found) as ShopContents;
}

export async function readStore(data: string, service: ServiceName): Promise<ServiceContent> {
  const database = readDatabases(data)[service];
  if (database !== undefined) {
    const { readSqlContent } = await import('./sql-contents.ts');
    return readSqlContent(database, service);
  }
  const directory = storeDirectory(data, service);
  const content =
    service === 'notification'
      ? await readNotices(directory)
      : await readLmdb({ directory, file: storeFile }, readContent);
  if (content === null) {
    throw new NoShopError(
      `There is no ${service} store in ${directory}. Start the shop there first, or name the directory it runs in with --data.`,
    );
  }
  return content;
}

/** The records under a prefix, as what the service wrote there. */
export function valuesUnder<Value>(content: ServiceContent, prefix: string): Map<string, Value> {
  const values = new Map<string, Value>();
  for (const [key, { value }] of content.records) {
    if (key.startsWith(prefix)) values.set(key.slice(prefix.length), value as Value);
  }
  return values;
}

/** What committed branches did, in no special order. */
export function effectsOf(contents: ShopContents, service: ServiceName): readonly Effect[] {
  return [...valuesUnder<Effect>(contents[service], effectPrefixes[service]).values()];
}
