/**
 * Deadlocks: cycles of the wait-for graph, found when a wait begins.
 *
 * Only a new wait adds edges, and each of them begins or ends at the one who waits: a grant turns a
 * waiter that blocks others into a holder that blocks the same ones, and a release takes edges
 * away. So a cycle that was not there before passes through the owner of the new wait, and the
 * search begins there.
 *
 * It goes backwards - who waits for the owner, who for them - and in breadth, which finds a
 * shortest cycle: aborting the youngest of a longer one, through people who only stand in between
 * in a queue, would abort someone without whom the deadlock stands as before. Backwards because
 * most owners that begin to wait hold nothing, and then no one waits for them.
 */
import type { LockMode } from './modes.ts';
import type { LockOwner, LockTable } from './table.ts';

export interface CycleStep<Owner extends LockOwner> {
  readonly owner: Owner;
  /** By which key it waits for the next one in the cycle, the last for the first. */
  readonly key: string;
}

/** A shortest cycle through this owner, each waiting for the next; null where there is none. */
export function cycleThrough<Owner extends LockOwner>(
  table: LockTable<Owner>,
  start: Owner,
): readonly CycleStep<Owner>[] | null {
  /** Looked up once someone waits for `start`: mostly no one does, and a queue may be long. */
  let waitsFor: ReadonlyMap<Owner, string> | null = null;
  /** For each owner seen: whom it waits for, one step nearer to `start`, and by which key. */
  const seen = new Map<Owner, { readonly next: Owner; readonly key: string }>();
  const spread = new Spread();
  let reached: Owner[] = [start];
  while (reached.length > 0) {
    const further: Owner[] = [];
    for (const next of reached) {
      for (const { owner, key } of waitersFor(table, next, spread)) {
        if (owner === start || seen.has(owner)) continue;
        seen.set(owner, { next, key });
        waitsFor ??= waitedForBy(table, start);
        const first = waitsFor.get(owner);
        if (first !== undefined) return pathFrom({ start, first, owner, seen });
        further.push(owner);
      }
    }
    reached = further;
  }
  return null;
}

/** Whom it waits for, and by which key. */
function waitedForBy<Owner extends LockOwner>(
  table: LockTable<Owner>,
  start: Owner,
): Map<Owner, string> {
  const waitsFor = new Map<Owner, string>();
  for (const request of table.waits(start)) {
    for (const { owner, key } of table.blockersOf(request)) {
      if (!waitsFor.has(owner)) waitsFor.set(owner, key);
    }
  }
  return waitsFor;
}

/** The youngest: it has done the least, and who is aborted again and again grows old. */
export function victimOf<Owner extends LockOwner>(cycle: readonly CycleStep<Owner>[]): Owner {
  return cycle
    .map(({ owner }) => owner)
    .reduce((one, other) => (other.txid > one.txid ? other : one));
}

function pathFrom<Owner extends LockOwner>(found: {
  start: Owner;
  first: string;
  owner: Owner;
  seen: ReadonlyMap<Owner, { readonly next: Owner; readonly key: string }>;
}): CycleStep<Owner>[] {
  const steps: CycleStep<Owner>[] = [{ owner: found.start, key: found.first }];
  let { owner } = found;
  while (owner !== found.start) {
    const step = found.seen.get(owner);
    if (step === undefined) break;
    steps.push({ owner, key: step.key });
    owner = step.next;
  }
  return steps;
}

function* waitersFor<Owner extends LockOwner>(
  table: LockTable<Owner>,
  owner: Owner,
  spread: Spread,
): IterableIterator<{ owner: Owner; key: string }> {
  for (const [key, { mode }] of table.held(owner)) {
    // A holder keeps waiters from the first on.
    if (!spread.from(key, mode, Number.NEGATIVE_INFINITY)) continue;
    for (const waiter of table.queue(key)?.blockedBy(owner) ?? []) {
      yield { owner: waiter.owner, key };
    }
  }
  for (const request of table.waits(owner)) {
    for (const { key } of request.wants) {
      const queue = table.queue(key);
      const mode = queue?.modeOf(request) ?? null;
      if (queue === null || mode === null) continue;
      // An upgrade stands before waiters that arrived earlier; there are never more than a few.
      if (!queue.isUpgrade(request) && !spread.from(key, mode, request.arrival)) continue;
      for (const waiter of queue.behind(request)) yield { owner: waiter.owner, key };
    }
  }
}

/**
 * Which queues were gone through: a thousand waiters for one key wait for all before them each, and
 * what the first of them has shown need not be shown again by the others. (Each leaves out its own
 * owner's, which was seen already.)
 */
class Spread {
  /** From this arrival on every waiter for the key was seen. */
  readonly #all = new Map<string, number>();
  /** The same of those that want it exclusive. */
  readonly #exclusives = new Map<string, number>();

  /** Whether what waits from this arrival on was not all seen. */
  from(key: string, mode: LockMode, arrival: number): boolean {
    const all = this.#all.get(key) ?? Number.POSITIVE_INFINITY;
    const exclusives = this.#exclusives.get(key) ?? Number.POSITIVE_INFINITY;
    if (arrival >= all || (mode === 'shared' && arrival >= exclusives)) return false;
    (mode === 'exclusive' ? this.#all : this.#exclusives).set(key, arrival);
    return true;
  }
}
