/**
 * Where the base lines' coordinator keeps its decisions: the least that each store needs.
 *
 * - `embedded`: one LMDB put for a decision, those that come during a flush share the next; one
 *   lazy removal, many in a transaction.
 * - `etcd`: the same over etcd. A batch of decisions is one transaction of plain puts, with no
 *   compares, no leader key and no lease. Two at a time and as large as etcd takes them: more and
 *   smaller ones cost this process and etcd more.
 * - `every-change`: no skeleton, but how two-phase commit is written at first. Each change of a
 *   transaction's state - preparing, committing, committed - is a put of its own; the first two are
 *   waited for.
 */
import { Etcd3 } from 'etcd3';
import { open } from 'lmdb';
import { Packr } from 'msgpackr';
import { Grouped, inOneTransaction } from './grouped.ts';
import type { Fields } from './wire.ts';

export interface SkeletonLog {
  /** Null: nothing is written before the decision. */
  readonly begin: ((txid: string, record: Fields, done: () => void) => void) | null;
  decide(txid: string, record: Fields, done: () => void): void;
  /** All acknowledged it. No one waits for that. */
  end(txid: string): void;
}

export const logKinds = ['embedded', 'etcd', 'every-change'] as const;
export type SkeletonLogKind = (typeof logKinds)[number];

interface LogOptions {
  /** A folder for `embedded`, the address of an etcd for the others. */
  readonly place: string;
  /** Of these nothing is kept any more. */
  readonly ended: (txids: readonly string[]) => void;
}

const endDelayMs = 5;
/** As many operations as a transaction of etcd's may have. */
const maxBatch = 128;
const maxInFlight = 2;

interface Deciding {
  readonly txid: string;
  readonly record: Fields;
  readonly done: () => void;
}

const tellAll = (batch: readonly Deciding[]): void => {
  for (const { done } of batch) done();
};

const codec = new Packr({ useRecords: false });
const keyOf = (txid: string): Buffer => Buffer.from(`/skeleton/decisions/${txid}`);

export function openLog(kind: SkeletonLogKind, options: LogOptions): SkeletonLog {
  if (kind === 'embedded') return embedded(options);
  return kind === 'etcd' ? groupedInEtcd(options) : everyChange(options);
}

function embedded({ place, ended }: LogOptions): SkeletonLog {
  const environment = open({ path: place, overlappingSync: false, maxDbs: 1 });
  const decisions = environment.openDB<Fields, string>({ name: 'decisions', encoding: 'msgpack' });
  const deciding = new Grouped<Deciding>({
    flush: (batch) => inOneTransaction(batch, ({ txid, record }) => decisions.put(txid, record)),
    done: tellAll,
  });
  const ending = new Grouped<string>({
    flush: (txids) => inOneTransaction(txids, (txid) => decisions.remove(txid)),
    done: ended,
    delayMs: endDelayMs,
  });
  return {
    begin: null,
    decide: (txid, record, done) => deciding.add({ txid, record, done }),
    end: (txid) => ending.add(txid),
  };
}

function groupedInEtcd({ place, ended }: LogOptions): SkeletonLog {
  const { kv } = new Etcd3({ hosts: [place] });
  const deciding = new Grouped<Deciding>({
    flush: (batch) =>
      kv.txn({
        success: batch.map(({ txid, record }) => ({
          request_put: { key: keyOf(txid), value: codec.pack(record) },
        })),
      }),
    done: tellAll,
    maxBatch,
    maxInFlight,
  });
  const ending = new Grouped<string>({
    flush: (txids) =>
      kv.txn({
        success: txids.map((txid) => ({ request_delete_range: { key: keyOf(txid) } })),
      }),
    done: ended,
    maxBatch,
    delayMs: endDelayMs,
  });
  return {
    begin: null,
    decide: (txid, record, done) => deciding.add({ txid, record, done }),
    end: (txid) => ending.add(txid),
  };
}

function everyChange({ place, ended }: LogOptions): SkeletonLog {
  const { kv } = new Etcd3({ hosts: [place] });
  const put = (txid: string, state: string, record: Fields): Promise<unknown> =>
    kv.put({ key: keyOf(txid), value: codec.pack({ ...record, state }) });
  return {
    begin: (txid, record, done) => void put(txid, 'preparing', record).then(done),
    decide: (txid, record, done) => void put(txid, 'committing', record).then(done),
    end: (txid) => void put(txid, 'committed', { txid }).then(() => ended([txid])),
  };
}
