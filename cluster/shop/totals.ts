/** What the shop holds, in sums, for people and for programs. */
import { effectsOf, type ShopContents, valuesUnder } from './internals/contents.ts';
import { type ServiceName, serviceNames } from './paths.ts';
import { type Account, accountPrefix, type Stock, stockPrefix } from './seed.ts';
import { type Taken, takenPrefix } from './services/inventory.ts';
import type { Capture } from './services/payment.ts';
import { capturePrefix } from './services/payment.ts';

export interface ServiceTotals {
  /** Everything that the store has a version of. */
  readonly records: number;
  /** Branches that were committed here. */
  readonly committed: number;
  /** Branches that voted commit and have not heard the outcome. */
  readonly inDoubt: number;
  /** Sums of this service's own: units of stock, cents. */
  readonly sums: Readonly<Record<string, number>>;
  /** Of the committed branches, sorted; one without an order is not among them. */
  readonly orderIds: readonly string[];
}

export type ShopTotals = Readonly<Record<ServiceName, ServiceTotals>>;

export function shopTotals(contents: ShopContents): ShopTotals {
  const totals = serviceNames.map((name) => [name, serviceTotals(contents, name)] as const);
  return Object.fromEntries(totals) as ShopTotals;
}

function serviceTotals(contents: ShopContents, name: ServiceName): ServiceTotals {
  const { records, prepared } = contents[name];
  const effects = effectsOf(contents, name);
  const orderIds = effects.flatMap(({ orderId }) => (orderId === null ? [] : [orderId]));
  return {
    records: records.size,
    committed: effects.length,
    inDoubt: prepared.length,
    sums: sums[name](contents),
    orderIds: orderIds.sort(),
  };
}

const none = (): Readonly<Record<string, number>> => ({});

const sums: Readonly<
  Record<ServiceName, (contents: ShopContents) => Readonly<Record<string, number>>>
> = {
  inventory: ({ inventory }) => ({
    stock: sum(valuesUnder<Stock>(inventory, stockPrefix), ({ stock }) => stock),
    taken: sum(valuesUnder<Taken>(inventory, takenPrefix), ({ items }) =>
      items.reduce((units, { quantity }) => units + quantity, 0),
    ),
  }),
  payment: ({ payment }) => ({
    accountsCents: sum(valuesUnder<Account>(payment, accountPrefix), (found) => found.balanceCents),
    tillCents: sum(valuesUnder<Capture>(payment, capturePrefix), (found) => found.amountCents),
  }),
  order: none,
  shipping: none,
  notification: none,
};

function sum<Value>(values: ReadonlyMap<string, Value>, of: (value: Value) => number): number {
  let total = 0;
  for (const value of values.values()) total += of(value);
  return total;
}

export function totalsLines(totals: ShopTotals): string[] {
  return serviceNames.map((name) => {
    const { records, committed, inDoubt, sums: own } = totals[name];
    const parts = [
      `${records} records`,
      `${committed} committed`,
      `${inDoubt} in doubt`,
      ...Object.entries(own).map(([what, value]) => `${what} ${value}`),
    ];
    return `${name.padEnd(14)}${parts.join(', ')}`;
  });
}
