/** The five stores against the decision log, with each other, and with what they began with. */

import type { StoredRecord } from '../../src/versioned-store.ts';
import { effectsOf, valuesUnder } from '../shop/internals/contents.ts';
import { type ServiceName, serviceNames } from '../shop/paths.ts';
import {
  type Account,
  accountPrefix,
  inventorySeed,
  paymentSeed,
  type Stock,
  stockPrefix,
} from '../shop/seed.ts';
import { type Taken, takenPrefix } from '../shop/services/inventory.ts';
import { messagePrefix, type QueuedMessage } from '../shop/services/notification.ts';
import { type Order, orderPrefix } from '../shop/services/order.ts';
import { type Capture, capturePrefix } from '../shop/services/payment.ts';
import { type Shipment, shipmentPrefix } from '../shop/services/shipping.ts';
import { committedIn } from './internals/committed.ts';
import type { Facts } from './internals/facts.ts';
import { type DemoOrder, messageText } from './orders.ts';
import type { Check } from './reconcile.ts';

export const storeChecks: readonly Check[] = [
  ...serviceNames.map((service) => ({
    name: `${service} did what was committed, once, and nothing else`,
    find: (facts: Facts) => effectsMatch(facts, service),
  })),
  { name: 'The five stores agree, order by order, with what was ordered', find: storesAgree },
  { name: 'Stock left and stock taken are the stock there was', find: stockAddsUp },
  { name: 'Accounts and till are the money there was', find: moneyAddsUp },
  { name: 'Every version counts its writes', find: versionsAddUp },
];

function* effectsMatch({ shop, log }: Facts, service: ServiceName): Generator<string> {
  const committed = committedIn(log);
  const seen = new Set<string>();
  for (const { txid, orderId } of effectsOf(shop, service)) {
    if (!committed.has(txid)) {
      yield `${service} did ${txid} (${orderId}), which the log does not have as committed.`;
    }
    if (seen.has(txid)) yield `${service} did ${txid} (${orderId}) twice.`;
    seen.add(txid);
  }
  for (const [txid, requestId] of committed) {
    if (!seen.has(txid)) yield `${service} did not do ${txid} (${requestId}), which was committed.`;
  }
}

/** What the five made of one order. The transaction's id ties them together. */
function* storesAgree({ orders, shop }: Facts): Generator<string> {
  const made = valuesUnder<Order>(shop.order, orderPrefix);
  const shipments = valuesUnder<Shipment>(shop.shipping, shipmentPrefix);
  const messages = valuesUnder<QueuedMessage>(shop.notification, messagePrefix);
  const taken = byOrder(valuesUnder<Taken>(shop.inventory, takenPrefix));
  const captures = byOrder(valuesUnder<Capture>(shop.payment, capturePrefix));
  const ordered = new Map(orders.map((order) => [order.orderId, order]));
  const ids = new Set(
    [made, shipments, messages, taken, captures].flatMap((map) => [...map.keys()]),
  );
  for (const id of [...ids].sort()) {
    const order = ordered.get(id);
    if (order === undefined) {
      yield `${id} is in the stores, but no one ordered it.`;
      continue;
    }
    const parts = {
      inventory: taken.get(id),
      payment: captures.get(id),
      order: made.get(id),
      shipping: shipments.get(id),
      notification: messages.get(id),
    };
    const txids = new Set(Object.values(parts).map((part) => part?.txid ?? 'none'));
    if (txids.size > 1) {
      const who = Object.entries(parts).map(([name, part]) => `${name} ${part?.txid ?? 'nothing'}`);
      yield `${id} is not one transaction everywhere: ${who.join(', ')}.`;
    }
    for (const name of serviceNames) {
      const expected = JSON.stringify(contentOf(order)[name]);
      const actual = JSON.stringify(
        parts[name] === undefined ? null : essence[name](parts as Parts),
      );
      if (expected !== actual) yield `${id}: ${name} has ${actual} where ${expected} was ordered.`;
    }
  }
}

interface Parts {
  readonly inventory: Taken;
  readonly payment: Capture;
  readonly order: Order;
  readonly shipping: Shipment;
  readonly notification: QueuedMessage;
}

const essence: Readonly<Record<ServiceName, (parts: Parts) => readonly unknown[]>> = {
  inventory: ({ inventory }) => linesOf(inventory.items),
  payment: ({ payment }) => [payment.account, payment.amountCents],
  order: ({ order }) => [order.account, order.totalCents, ...linesOf(order.items)],
  shipping: ({ shipping }) => [shipping.address],
  notification: ({ notification }) => [notification.to, notification.text],
};

function contentOf(order: DemoOrder): Readonly<Record<ServiceName, readonly unknown[]>> {
  const lines = linesOf(order.items);
  return {
    inventory: lines,
    payment: [order.account, order.totalCents],
    order: [order.account, order.totalCents, ...lines],
    shipping: [order.address],
    notification: [order.to, messageText(order)],
  };
}

function linesOf(items: readonly { readonly sku: string; readonly quantity: number }[]): string[] {
  return items.map(({ sku, quantity }) => `${quantity} x ${sku}`);
}

function byOrder<T extends { readonly orderId: string | null }>(
  values: ReadonlyMap<string, T>,
): Map<string, T> {
  return new Map(Array.from(values, ([key, value]) => [value.orderId ?? key, value]));
}

function* stockAddsUp({ shop }: Facts): Generator<string> {
  const left = valuesUnder<Stock>(shop.inventory, stockPrefix);
  const taken = new Map<string, number>();
  for (const { items } of valuesUnder<Taken>(shop.inventory, takenPrefix).values()) {
    for (const { sku, quantity } of items) add(taken, sku, quantity);
  }
  for (const [sku, { stock }] of seeded<Stock>(inventorySeed, stockPrefix)) {
    const now = left.get(sku)?.stock ?? 0;
    const gone = taken.get(sku) ?? 0;
    if (now < 0) yield `${sku}: the stock is ${now}.`;
    if (now + gone !== stock) yield `${sku}: ${now} left and ${gone} taken are not ${stock}.`;
  }
  if (left.size !== inventorySeed.length) {
    yield `There are ${left.size} articles, not ${inventorySeed.length}.`;
  }
}

function* moneyAddsUp({ shop }: Facts): Generator<string> {
  const accounts = valuesUnder<Account>(shop.payment, accountPrefix);
  const paid = new Map<string, number>();
  for (const { account, amountCents } of valuesUnder<Capture>(
    shop.payment,
    capturePrefix,
  ).values()) {
    add(paid, account, amountCents);
  }
  for (const [id, { balanceCents }] of seeded<Account>(paymentSeed, accountPrefix)) {
    const now = accounts.get(id)?.balanceCents ?? 0;
    const gone = paid.get(id) ?? 0;
    if (now < 0) yield `${id}: the balance is ${now} cents.`;
    if (now + gone !== balanceCents) {
      yield `${id}: ${now} cents left and ${gone} in the till are not ${balanceCents}.`;
    }
  }
  if (accounts.size !== paymentSeed.length) {
    yield `There are ${accounts.size} accounts, not ${paymentSeed.length}.`;
  }
}

/** A write that was done twice, or lost, shows even where the sums still agree. */
function* versionsAddUp({ shop }: Facts): Generator<string> {
  const writes = new Map<string, number>();
  for (const { items } of valuesUnder<Taken>(shop.inventory, takenPrefix).values()) {
    for (const { sku } of items) add(writes, stockPrefix + sku, 1);
  }
  for (const { account } of valuesUnder<Capture>(shop.payment, capturePrefix).values()) {
    add(writes, accountPrefix + account, 1);
  }
  const seeds = new Map<string, StoredRecord>([...inventorySeed, ...paymentSeed]);
  for (const service of serviceNames) {
    for (const [key, { version }] of shop[service].records) {
      const seed = seeds.get(key);
      const due = seed === undefined ? 1 : seed.version + (writes.get(key) ?? 0);
      if (version !== due) yield `${service}: ${key} has version ${version}, not ${due}.`;
    }
  }
}

function add(sums: Map<string, number>, key: string, amount: number): void {
  sums.set(key, (sums.get(key) ?? 0) + amount);
}

function seeded<Value>(
  seed: readonly (readonly [string, StoredRecord<Value>])[],
  prefix: string,
): (readonly [string, Value])[] {
  return seed.map(([key, { value }]) => [key.slice(prefix.length), value] as const);
}
