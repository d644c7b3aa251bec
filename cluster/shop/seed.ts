/**
 * What the shop holds when it opens: the same for everyone, so that a run can be checked to the
 * unit. Every record begins with version 2 - opened, then filled - so that version 1 is one that a
 * client may have read and that is stale now.
 */
import type { StoredRecord } from '../../src/versioned-store.ts';

export const seedVersion = 2;

export interface Stock {
  readonly stock: number;
}
export interface Account {
  readonly balanceCents: number;
  /** A card that is not `open` is declined. */
  readonly status: 'open' | 'blocked';
}

export const stockPrefix = 'sku/';
export const accountPrefix = 'account/';

const skuCount = 200;
const stockEach = 1_000_000;
/** Everybody wants one, and there are few. */
export const hotSku = 'sku-hot';
export const hotStock = 10;

/** One customer's orders come so far apart that no two of them are in flight at once. */
const customerCount = 500;
const balanceEachCents = 100_000_000;
const blockedCount = 5;
/** Their first order brings the version that was read. */
export const readerCount = 50;

function numbered(name: string, index: number): string {
  return `${name}-${String(index).padStart(3, '0')}`;
}

export function skuOf(index: number): string {
  return numbered('sku', index % skuCount);
}
export function customerOf(index: number): string {
  return numbered('customer', index % customerCount);
}
export function blockedOf(index: number): string {
  return numbered('blocked', index % blockedCount);
}
/** `index` below `readerCount`. */
export function readerOf(index: number): string {
  return numbered('reader', index);
}

export const inventorySeed: readonly (readonly [string, StoredRecord<Stock>])[] = [
  ...named(skuCount, skuOf, (): Stock => ({ stock: stockEach })),
  [hotSku, { stock: hotStock }] as const,
].map(([sku, value]) => [stockPrefix + sku, { value, version: seedVersion }]);

export const paymentSeed: readonly (readonly [string, StoredRecord<Account>])[] = [
  ...named(customerCount, customerOf, () => account('open')),
  ...named(readerCount, readerOf, () => account('open')),
  ...named(blockedCount, blockedOf, () => account('blocked')),
].map(([id, value]) => [accountPrefix + id, { value, version: seedVersion }]);

function account(status: Account['status']): Account {
  return { balanceCents: balanceEachCents, status };
}

function named<Value>(
  count: number,
  name: (index: number) => string,
  value: () => Value,
): (readonly [string, Value])[] {
  return Array.from({ length: count }, (_, index) => [name(index), value()] as const);
}
