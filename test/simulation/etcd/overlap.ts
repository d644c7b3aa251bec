/**
 * Etcd refuses a request that may write one key twice, whichever of its branches it would take: two puts, or a put and a
 * delete, of one level or of two. What stands in the two branches of one nested transaction may be the same.
 */
import type { Op, Txn } from '../../../src/decision-log/etcd/requests.ts';

interface Span {
  readonly start: string;
  readonly end: string;
}

interface Written {
  readonly puts: Set<string>;
  readonly removed: Span[];
}

export function writesTwice({ success, failure }: Txn): boolean {
  return written(success ?? []) === null || written(failure ?? []) === null;
}

/** Null: some key twice. */
function written(operations: readonly Op[]): Written | null {
  const puts = new Set<string>();
  const removed: Span[] = operations.flatMap(({ request_delete_range: remove }) =>
    remove === undefined ? [] : [spanOf(remove)],
  );
  const isRemoved = (key: string): boolean =>
    removed.some(({ start, end }) => key >= start && key < end);
  for (const { request_txn: nested } of operations) {
    if (nested === undefined) continue;
    const then = written(nested.success ?? []);
    const otherwise = written(nested.failure ?? []);
    if (then === null || otherwise === null) return null;
    removed.push(...then.removed);
    for (const key of then.puts) {
      if (puts.has(key) || isRemoved(key)) return null;
      puts.add(key);
    }
    removed.push(...otherwise.removed);
    for (const key of otherwise.puts) {
      if ((puts.has(key) && !then.puts.has(key)) || isRemoved(key)) return null;
      puts.add(key);
    }
  }
  for (const { request_put: put } of operations) {
    if (put === undefined) continue;
    const key = put.key?.toString('latin1') ?? '';
    if (puts.has(key) || isRemoved(key)) return null;
    puts.add(key);
  }
  return { puts, removed };
}

function spanOf(remove: { readonly key?: Buffer; readonly range_end?: Buffer }): Span {
  const start = remove.key?.toString('latin1') ?? '';
  return { start, end: remove.range_end?.toString('latin1') ?? `${start}\u0000` };
}
