/**
 * The demo's orders: the same for every run, and for each of them it is known how it must end.
 *
 * No two orders in flight share a customer, so that only stock is fought over: within one service,
 * where keys are locked in one order for all. Two orders that met at a customer and at a sku could
 * each hold what the other waits for, in two services, and would end by time-out.
 */
import {
  blockedOf,
  customerOf,
  hotSku,
  readerCount,
  readerOf,
  seedVersion,
  skuOf,
} from '../shop/seed.ts';

/**
 * `commits`: nothing is in its way. `reader`: it brings the version it read, and that is current.
 * `hot`: it wants one of the few; as many succeed as there are. `declined`: its card is blocked.
 * `stale`: it brings an old version.
 */
export type Expectation = 'commits' | 'reader' | 'hot' | 'declined' | 'stale';

export interface DemoItem {
  readonly sku: string;
  readonly quantity: number;
  readonly version?: number;
}

export interface DemoOrder {
  /** Also the requestId. */
  readonly orderId: string;
  readonly expected: Expectation;
  readonly account: string;
  readonly accountVersion: number | null;
  readonly items: readonly DemoItem[];
  readonly totalCents: number;
  readonly address: string;
  readonly to: string;
}

export const orderCountMin = 50;
/**
 * The decision log keeps the records of more than these: all of a run must be there to be compared.
 */
export const maxOrderCount = 100_000;

export function demoOrders(count: number): readonly DemoOrder[] {
  const share = (fraction: number, min: number): number =>
    Math.max(min, Math.round(count * fraction));
  const wanted: readonly (readonly [Expectation, number])[] = [
    ['hot', share(0.04, 15)],
    ['declined', share(0.03, 5)],
    ['stale', share(0.03, 5)],
    ['reader', Math.min(readerCount, share(0.03, 5))],
  ];
  const kinds = wanted.flatMap(([kind, number]) => Array.from({ length: number }, () => kind));
  while (kinds.length < count) kinds.push('commits');
  shuffle(kinds);
  const nth = new Map<Expectation, number>();
  return kinds.map((expected, index) => {
    const before = nth.get(expected) ?? 0;
    nth.set(expected, before + 1);
    return makeOrder(expected, index, before);
  });
}

/** `nth` of its kind, from 0. */
function makeOrder(expected: Expectation, index: number, nth: number): DemoOrder {
  const orderId = `order-${String(index + 1).padStart(4, '0')}`;
  const staleItem = expected === 'stale' && nth % 2 === 1;
  const items = itemsOf(expected, index).map((item) =>
    staleItem ? { ...item, version: seedVersion - 1 } : item,
  );
  const account = accountOf(expected, index, nth);
  return {
    orderId,
    expected,
    account,
    accountVersion: accountVersionOf(expected, staleItem),
    items,
    totalCents: items.reduce((sum, { sku, quantity }) => sum + quantity * priceCents(sku), 0),
    address: `${(index % 97) + 1} Market Street`,
    to: `${account}@example.test`,
  };
}

function itemsOf(expected: Expectation, index: number): readonly DemoItem[] {
  if (expected === 'hot') return [{ sku: hotSku, quantity: 1 }];
  const first = { sku: skuOf(index), quantity: (index % 3) + 1 };
  return index % 2 === 0 ? [first] : [first, { sku: skuOf(index + 101), quantity: 1 }];
}

function accountOf(expected: Expectation, index: number, nth: number): string {
  if (expected === 'declined') return blockedOf(nth);
  return expected === 'reader' ? readerOf(nth) : customerOf(index);
}

function accountVersionOf(expected: Expectation, staleItem: boolean): number | null {
  if (expected === 'reader') return seedVersion;
  return expected === 'stale' && !staleItem ? seedVersion - 1 : null;
}

function priceCents(sku: string): number {
  let sum = 0;
  for (let index = 0; index < sku.length; index += 1) sum += sku.charCodeAt(index);
  return 199 + (sum % 40) * 50;
}

/** Fisher and Yates, with a generator of its own: the same order every time. */
function shuffle<T>(list: T[]): void {
  let state = 20_240_229;
  for (let index = list.length - 1; index > 0; index -= 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const other = state % (index + 1);
    [list[index], list[other]] = [list[other] as T, list[index] as T];
  }
}

/** The order as a line for `verdict submit`. */
export function orderLine(order: DemoOrder, timeoutMs: number): string {
  const { orderId, account, accountVersion, items, totalCents, address, to } = order;
  const version = accountVersion === null ? {} : { version: accountVersion };
  return JSON.stringify({
    requestId: orderId,
    timeoutMs,
    labels: { expected: order.expected },
    participants: {
      inventory: { orderId, items },
      payment: { orderId, account, amountCents: totalCents, ...version },
      order: {
        orderId,
        account,
        items: items.map(({ sku, quantity }) => ({ sku, quantity })),
        totalCents,
      },
      shipping: { orderId, address },
      notification: { orderId, to, text: messageText(order) },
    },
  });
}

export function messageText({ orderId, totalCents }: DemoOrder): string {
  return `Thank you. ${orderId} over ${(totalCents / 100).toFixed(2)} is on its way.`;
}
