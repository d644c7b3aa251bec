/** What a transaction costs each process: straight lines through what was measured. */
import type { Measured, MeasuredRow } from './measured.ts';

/** `base + slope * x`. */
export interface Line {
  readonly base: number;
  readonly slope: number;
}

/** Of a process that runs one thread. */
export interface ProcessCost {
  /**
   * CPU for a transaction by its branches, where the process always has more to do: much comes in
   * one turn, so this is what its capacity is made of.
   */
  readonly busyMs: Line;
  /** The same at one in flight, where each message is a turn of its own. */
  readonly lightMs: Line;
  /** What it costs to begin a turn for one thing: the difference, by the turns of a transaction. */
  readonly wakeMs: number;
}

/** CPU, over all of its threads. */
export interface EtcdCost {
  /** For a transaction of ours, and for each of its own that carry such: both when it is busy. */
  readonly transactionMs: number;
  readonly writeMs: number;
  /** For a write that finds it at rest. */
  readonly wakeMs: number;
}

export interface Costs {
  readonly leader: ProcessCost;
  readonly client: ProcessCost;
  /** By branches: all participants of a transaction together. */
  readonly participants: ProcessCost;
  readonly etcd: EtcdCost;
  readonly etcdPuts: number;
  readonly etcdStoreBytes: number;
  /** At the leader, by branches. */
  readonly messages: Line;
  readonly bytes: Line;
  readonly connection: { readonly nodeMs: number; readonly bytes: number };
  /** For a second in which nothing is asked for. */
  readonly nodeAloneMs: number;
  readonly etcdAloneMs: number;
  /** What a node does for each etcd cluster meanwhile, and the cluster for it, by its shards. */
  readonly nodeForEtcdMs: Line;
  readonly etcdForNodeMs: Line;
}

export const at = ({ base, slope }: Line, x: number): number => base + slope * x;

interface Point {
  readonly x: number;
  readonly y: number;
}

/**
 * The line with the least squares of the relative errors. Costs are not negative: where one of its
 * two figures would be, it is 0.
 */
export function lineThrough(points: readonly Point[]): Line {
  const sum = (of: (point: Point) => number): number =>
    points.reduce((total, point) => total + of(point) / point.y ** 2, 0);
  const [one, x, xx] = [sum(() => 1), sum((p) => p.x), sum((p) => p.x * p.x)];
  const [y, xy] = [sum((p) => p.y), sum((p) => p.x * p.y)];
  const determinant = one * xx - x * x;
  if (determinant === 0) return { base: y / one, slope: 0 };
  const line = { base: (y * xx - x * xy) / determinant, slope: (one * xy - x * y) / determinant };
  if (line.slope < 0) return { base: y / one, slope: 0 };
  return line.base < 0 ? { base: 0, slope: xy / xx } : line;
}

/** What is less was lost in the noise. */
const leastMs = 0.01;

type Figure = Exclude<keyof MeasuredRow, 'branches' | 'inFlight' | 'transactions'>;

const byBranches = (rows: readonly MeasuredRow[], of: Figure): readonly Point[] =>
  rows.map((row) => ({ x: row.branches, y: row[of] }));
const busyRows = ({ rows }: Measured): readonly MeasuredRow[] => {
  const most = Math.max(...rows.map(({ inFlight }) => inFlight));
  return rows.filter(({ inFlight }) => inFlight === most);
};
const lightRows = ({ rows }: Measured): readonly MeasuredRow[] =>
  rows.filter(({ inFlight }) => inFlight === 1);
/** Turns of a process for a lone transaction, by its branches. */
const turns = {
  /** The request, the decision, the move; a vote and an acknowledgement for each branch. */
  leader: { base: 3, slope: 2 },
  /** The prepare, the flush of the vote, the commit. */
  participants: { base: 0, slope: 3 },
  /** The call and its answer. */
  client: { base: 2, slope: 0 },
} as const;

function processCost(
  measured: Measured,
  who: keyof typeof turns,
  figure: 'leaderMs' | 'participantsMs' | 'clientMs',
): ProcessCost {
  const busyMs = lineThrough(byBranches(busyRows(measured), figure));
  const lightMs = lineThrough(byBranches(lightRows(measured), figure));
  const wakes = lightRows(measured).map(
    (row) => (row[figure] - at(busyMs, row.branches)) / at(turns[who], row.branches),
  );
  return { busyMs, lightMs, wakeMs: Math.max(0, mean(wakes)) };
}

function etcdCost(measured: Measured): EtcdCost {
  const puts = [...measured.puts].sort((a, b) => a.inFlight - b.inFlight);
  const writeMs = puts.at(-1)?.etcdMs ?? Number.NaN;
  const rest = busyRows(measured).map(({ etcdMs, etcdWrites }) => etcdMs - etcdWrites * writeMs);
  return {
    writeMs,
    transactionMs: Math.max(0, mean(rest)),
    wakeMs: Math.max(0, (puts[0]?.etcdMs ?? Number.NaN) - writeMs),
  };
}

export function costsOf(measured: Measured): Costs {
  const busy = busyRows(measured);
  const { connections, idle } = measured;
  const alone = idle.find(({ nodes }) => nodes === 0)?.etcdMs ?? 0;
  const withNodes = idle.filter(({ nodes }) => nodes > 0);
  const forEtcd = withNodes.map(({ shards, nodeMs }) => ({
    x: shards,
    y: Math.max(leastMs, nodeMs - measured.idleAloneMs),
  }));
  const forNodes = withNodes.map(({ nodes, shards, etcdMs }) => ({
    x: shards,
    y: Math.max(leastMs, (etcdMs - alone) / nodes),
  }));
  return {
    leader: processCost(measured, 'leader', 'leaderMs'),
    client: processCost(measured, 'client', 'clientMs'),
    participants: processCost(measured, 'participants', 'participantsMs'),
    etcd: etcdCost(measured),
    etcdPuts: mean(busy.map(({ etcdPuts }) => etcdPuts)),
    etcdStoreBytes: mean(busy.map(({ etcdStoreBytes }) => etcdStoreBytes)),
    messages: lineThrough(byBranches(busy, 'messages')),
    bytes: lineThrough(byBranches(busy, 'bytes')),
    connection: {
      nodeMs: Math.max(0, connections.nodeMs),
      bytes: Math.max(0, connections.bytes),
    },
    nodeAloneMs: measured.idleAloneMs,
    etcdAloneMs: alone,
    nodeForEtcdMs: lineThrough(forEtcd),
    etcdForNodeMs: lineThrough(forNodes),
  };
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}
