/** Many seeds, over several threads, until there are enough or the time is up. */
import { Worker } from 'node:worker_threads';
import { add, type BatchReport, type Failure } from './batch.ts';
import type { Order } from './worker.ts';

export interface CampaignOptions {
  readonly from: number;
  /** Null: as many as the time allows. */
  readonly seeds: number | null;
  readonly minutes: number | null;
  readonly workers: number;
  readonly maxFailures: number;
  readonly progress: (so: Totals) => void;
}

export interface Totals {
  seeds: number;
  readonly from: number;
  /** All seeds below it are done. */
  next: number;
  events: number;
  checks: number;
  simulatedMs: number;
  /** Of the whole process: a worker is a thread, and cannot tell its own time from the others'. */
  cpuMs: number;
  elapsedMs: number;
  twice: number;
  readonly calls: Record<string, number>;
  readonly cells: Record<string, number>;
  readonly failures: Failure[];
}

const batchSeeds = 100;
/** What a thread keeps of its seeds grows: with 1,600 it was at the limit of its heap, 4 GB. */
const batchesOfThread = 5;

export async function runCampaign(options: CampaignOptions): Promise<Totals> {
  const { from, workers, maxFailures } = options;
  const startMs = performance.now();
  const startCpu = process.cpuUsage();
  const endMs = startMs + (options.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  const endSeed = from + (options.seeds ?? Number.POSITIVE_INFINITY);
  const totals: Totals = {
    seeds: 0,
    from,
    next: from,
    events: 0,
    checks: 0,
    simulatedMs: 0,
    cpuMs: 0,
    elapsedMs: 0,
    twice: 0,
    calls: {},
    cells: {},
    failures: [],
  };
  let nextSeed = from;
  const done = new Map<number, number>();
  const take = (): Order | null => {
    const count = Math.min(batchSeeds, endSeed - nextSeed);
    if (count <= 0 || performance.now() >= endMs || totals.failures.length >= maxFailures)
      return null;
    const order = { from: nextSeed, count };
    nextSeed += count;
    return order;
  };
  const note = (order: Order, report: BatchReport): void => {
    collect(totals, report);
    done.set(order.from, order.count);
    for (let count = done.get(totals.next); count !== undefined; count = done.get(totals.next)) {
      done.delete(totals.next);
      totals.next += count;
    }
    totals.elapsedMs = performance.now() - startMs;
    options.progress(totals);
  };
  await Promise.all(Array.from({ length: workers }, () => work(take, note)));
  const { user, system } = process.cpuUsage(startCpu);
  totals.cpuMs = (user + system) / 1_000;
  totals.elapsedMs = performance.now() - startMs;
  return totals;
}

async function work(
  take: () => Order | null,
  note: (order: Order, report: BatchReport) => void,
): Promise<void> {
  for (let order = take(); order !== null; ) {
    const worker = new Worker(new URL('./worker.ts', import.meta.url));
    try {
      for (let batches = 0; order !== null && batches < batchesOfThread; batches += 1) {
        note(order, await ordered(worker, order));
        order = take();
      }
    } finally {
      await worker.terminate();
    }
  }
}

function ordered(worker: Worker, order: Order): Promise<BatchReport> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(error);
    worker.once('error', failed);
    worker.once('message', (report: BatchReport) => {
      worker.off('error', failed);
      resolve(report);
    });
    worker.postMessage(order);
  });
}

function collect(totals: Totals, report: BatchReport): void {
  totals.seeds += report.seeds;
  totals.events += report.events;
  totals.checks += report.checks;
  totals.simulatedMs += report.simulatedMs;
  totals.twice += report.twice;
  for (const [name, times] of Object.entries(report.calls)) add(totals.calls, name, times);
  for (const [name, times] of Object.entries(report.cells)) add(totals.cells, name, times);
  totals.failures.push(...report.failures);
}
