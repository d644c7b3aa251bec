/** Who waits for whom, as columns: on the left those that wait for no one. */
import type { LockInfo } from '../../core/messages.ts';

export interface GraphNode {
  readonly txid: string;
  readonly column: number;
  readonly row: number;
}

export interface GraphEdge {
  readonly from: GraphNode;
  readonly to: GraphNode;
  /** What is waited for. */
  readonly key: string;
  readonly forMs: number;
}

export interface Graph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly columns: number;
  readonly rows: number;
  /** Left out, for there were too many to draw. */
  readonly left: number;
}

const maxNodes = 40;

export function graphOf(locks: readonly LockInfo[]): Graph {
  const waits = locks.flatMap(({ key, holders, waiters }) =>
    waiters.flatMap((waiter) =>
      holders
        .filter(({ txid }) => txid !== waiter.txid)
        .map(({ txid }) => ({ from: waiter.txid, to: txid, key, forMs: waiter.forMs })),
    ),
  );
  const all = [...new Set(waits.flatMap(({ from, to }) => [to, from]))];
  const kept = new Set<string>(all.slice(0, maxNodes));
  const drawn = waits.filter(({ from, to }) => kept.has(from) && kept.has(to));
  const nodes = new Map<string, GraphNode>();
  const filled: number[] = [];
  for (const txid of kept) {
    const column = depth(txid, drawn, new Set());
    const row = filled[column] ?? 0;
    filled[column] = row + 1;
    nodes.set(txid, { txid, column, row });
  }
  const edges = drawn.flatMap(({ from, to, key, forMs }) => {
    const [a, b] = [nodes.get(from), nodes.get(to)];
    return a === undefined || b === undefined ? [] : [{ from: a, to: b, key, forMs }];
  });
  return {
    nodes: [...nodes.values()],
    edges,
    columns: filled.length,
    rows: Math.max(0, ...filled.map((count) => count ?? 0)),
    left: all.length - kept.size,
  };
}

/** The longest way to one that waits for no one; a circle is cut where it is met again. */
function depth(
  txid: string,
  waits: readonly { readonly from: string; readonly to: string }[],
  met: ReadonlySet<string>,
): number {
  if (met.has(txid) || met.size > maxDepth) return 0;
  const further = new Set([...met, txid]);
  const nexts = new Set(waits.filter(({ from }) => from === txid).map(({ to }) => to));
  let most = 0;
  for (const to of [...nexts].slice(0, maxNexts)) {
    if (!met.has(to)) most = Math.max(most, 1 + depth(to, waits, further));
  }
  return most;
}

/** A graph where all wait for all would take forever. */
const maxDepth = 8;
const maxNexts = 3;
