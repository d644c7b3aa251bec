/**
 * Etcd refuses a request that may write one key twice, whichever of its branches it would take. It
 * does not look at all pairs, and what it lets through is as much a part of its behaviour as what
 * it refuses:
 * - A put meets another put, or a delete, of its own level: refused.
 * - A put of a nested transaction meets a put of one before it, or a delete of the level around it
 *   or of one before it: refused. A delete of one after it, or of its own other branch, is not
 *   looked at.
 * - The two branches of one transaction may put the same key.
 */
import type { Op, Txn } from '../../../src/decision-log/etcd/requests.ts';

interface Span {
  readonly start: string;
  readonly end: string;
}

interface Written {
  readonly puts: ReadonlySet<string>;
  readonly removed: readonly Span[];
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
    for (const key of [...then.puts, ...otherwise.puts]) if (isRemoved(key)) return null;
    for (const key of new Set([...then.puts, ...otherwise.puts])) {
      if (puts.has(key)) return null;
      puts.add(key);
    }
    removed.push(...then.removed, ...otherwise.removed);
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
