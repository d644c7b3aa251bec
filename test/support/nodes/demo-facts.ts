/**
 * What a perfect run of the demo leaves behind, made in memory by the services' own rules: for
 * checks that must find what a test then spoils.
 */
import type { Answer } from '../../../cluster/demo/answers.ts';
import type { Facts } from '../../../cluster/demo/internals/facts.ts';
import { type DemoOrder, demoOrders, orderLine } from '../../../cluster/demo/orders.ts';
import type { LoggedOutcome, LoggedOutcomes } from '../../../cluster/launcher/etcd-contents.ts';
import { type ServiceName, serviceNames } from '../../../cluster/shop/paths.ts';
import { Payload } from '../../../cluster/shop/payload.ts';
import { services } from '../../../cluster/shop/services.ts';
import { abortReason } from '../../../src/core/catalogue.ts';
import type { VoteReason } from '../../../src/core/messages.ts';
import { makeEpoch, positionZero, type Txid } from '../../../src/core/txid.ts';
import type { StoredRecord } from '../../../src/versioned-store.ts';
import { txidAt } from '../logs/stores.ts';

/** As `T`, to be spoilt. */
export type Mutable<T> =
  T extends ReadonlyMap<infer Key, infer Value>
    ? Map<Key, Mutable<Value>>
    : T extends readonly (infer Item)[]
      ? Mutable<Item>[]
      : T extends string
        ? T
        : T extends object
          ? { -readonly [Name in keyof T]: Mutable<T[Name]> }
          : T;

type Records = Map<string, StoredRecord>;

const epoch = makeEpoch({ generation: 0, revision: 1n });

export function perfectFacts(orderCount = 50): Mutable<Facts> {
  const orders = demoOrders(orderCount);
  const records = Object.fromEntries(
    serviceNames.map((name) => [name, new Map(services[name].seed)]),
  ) as Record<ServiceName, Records>;
  const answers: Answer[] = [];
  const finished: LoggedOutcome[] = [];
  for (const [index, order] of orders.entries()) {
    const txid = txidAt(epoch, index + 1);
    const refused = carryOut(order, txid, records);
    const base = { requestId: order.orderId, txid, ms: 10 };
    if (refused === null) {
      finished.push({ txid, outcome: 'commit', requestId: order.orderId });
      answers.push({ ...base, outcome: 'committed' });
    } else {
      const { code = 'VOTED_ABORT', ...more } = refused.reason;
      const reason = abortReason(code, { ...more, participant: refused.service });
      answers.push({ ...base, outcome: 'aborted', reason });
    }
  }
  const shop = Object.fromEntries(
    serviceNames.map((name) => [name, { records: records[name], prepared: [] }]),
  );
  const journals = Object.fromEntries(serviceNames.map((name) => [name, []]));
  const log: LoggedOutcomes = { decisions: [], finished, floor: positionZero };
  return structuredClone({ orders, answers, log, shop, journals }) as unknown as Mutable<Facts>;
}

/** All five or none. */
function carryOut(
  order: DemoOrder,
  txid: Txid,
  records: Record<ServiceName, Records>,
): { service: ServiceName; reason: VoteReason } | null {
  const payloads = JSON.parse(orderLine(order, 1_000)).participants as Record<ServiceName, unknown>;
  const commits: (() => void)[] = [];
  for (const service of serviceNames) {
    const own = records[service];
    const ref = { txid, branch: service };
    const work = services[service].work(new Payload(payloads[service]), ref);
    for (const [key, expected] of work.versions) {
      const actual = own.get(key)?.version ?? 0;
      if (actual === expected) continue;
      const detail = { key, expected, actual };
      return { service, reason: { code: 'CONFLICT', message: 'Stale.', detail } };
    }
    const plan = work.plan((key) => own.get(key) ?? null);
    if ('refused' in plan) return { service, reason: plan.refused };
    commits.push(() => {
      for (const [key, value] of plan.writes) {
        own.set(key, { value, version: (own.get(key)?.version ?? 0) + 1 });
      }
    });
  }
  for (const commit of commits) commit();
  return null;
}
