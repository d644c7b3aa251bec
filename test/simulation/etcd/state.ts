/**
 * What etcd holds, and how it evaluates a transaction: the part of its behaviour that the decision
 * log rests on.
 *
 * - Every compare of a request, nested ones included, is evaluated before anything of it is
 *   applied.
 * - A request takes no key twice (overlap.ts), and has so many operations at most (limits.ts).
 * - What changes in one request has one revision. Until its first change, it reads at the one
 *   before.
 * - Keys and values are bytes; keys are kept as latin-1 text, whose order is that of the bytes.
 *
 * test/contract/simulated-etcd.test.ts runs the same requests on this and on a real etcd.
 */
import type {
  Compare,
  KeyValue,
  Op,
  OpResult,
  Txn,
  TxnResult,
} from '../../../src/decision-log/etcd/requests.ts';
import { MemoryKeys } from '../../../src/store/memory-keys.ts';
import { assertKnown } from './known.ts';
import { hasTooMany } from './limits.ts';
import { writesTwice } from './overlap.ts';

export interface Stored {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: string;
}

export interface Change {
  readonly key: string;
  readonly before: Stored | null;
  readonly after: Stored | null;
}

/** Etcd refuses a request as a whole: nothing of it is applied. */
export class EtcdRefusal extends Error {
  override readonly name = 'EtcdRefusal';
}

export const leaseNotFound = 'etcdserver: requested lease not found';
const nothing: Buffer = Buffer.of();
const noHeader: TxnResult['header'] = {
  cluster_id: '0',
  member_id: '0',
  revision: '0',
  raft_term: '0',
};

export interface Snapshot {
  readonly entries: readonly Stored[];
  readonly revision: number;
}

export class EtcdState {
  readonly clusterId: string = '77';
  revision = 1;
  readonly #keys = new MemoryKeys();

  get(key: string): Stored | null {
    return (this.#keys.get(key) as Stored | undefined) ?? null;
  }

  /** Keys from `start`, `end` not included. */
  range(start: string, end: string): Stored[] {
    const found = this.#keys.range({ start, end, limit: Number.POSITIVE_INFINITY });
    return found.map(([, value]) => value as Stored);
  }

  /**
   * What the request answers, and what it changed. `leaseExists`: puts under another are refused.
   */
  txn(
    request: Txn,
    leaseExists: (lease: string) => boolean,
  ): { readonly result: TxnResult; readonly changes: readonly Change[] } {
    assertKnown(request);
    if (hasTooMany(request)) {
      throw new EtcdRefusal('etcdserver: too many operations in txn request');
    }
    if (writesTwice(request)) {
      throw new EtcdRefusal('etcdserver: duplicate key given in txn request');
    }
    const plan = this.#plan(request);
    this.#checkLeases(plan, leaseExists);
    const changes: Change[] = [];
    const { succeeded, responses } = this.#apply(plan, changes);
    // A delete that met nothing is no change.
    if (changes.length > 0) this.revision += 1;
    return { result: { header: this.header(), succeeded, responses: [...responses] }, changes };
  }

  /** Deletes what hangs on a lease that is over. */
  dropLease(lease: string): readonly Change[] {
    const dropped = this.range('', '\u00ff').filter((entry) => entry.lease === lease);
    if (dropped.length === 0) return [];
    this.revision += 1;
    return dropped.map((before) => {
      const key = before.key.toString('latin1');
      this.#keys.remove(key);
      return { key, before, after: null };
    });
  }

  snapshot(): Snapshot {
    return { entries: this.range('', '\u00ff'), revision: this.revision };
  }

  restore(snapshot: Snapshot): void {
    for (const { key } of this.range('', '\u00ff')) this.#keys.remove(key.toString('latin1'));
    for (const entry of snapshot.entries) this.#keys.put(entry.key.toString('latin1'), entry);
    this.revision = snapshot.revision;
  }

  #plan(request: Txn): Planned {
    const compares = request.compare ?? [];
    const succeeded = compares.every((compare) => this.#holds(compare));
    const operations = (succeeded ? request.success : request.failure) ?? [];
    const nested = operations.map((op) =>
      op.request_txn === undefined ? null : this.#plan(op.request_txn),
    );
    return { succeeded, operations, nested };
  }

  #holds(compare: Compare): boolean {
    const entries = this.#span(compare);
    // Where there is none, one that is all zero is compared, and has no value that could be.
    return entries.length === 0
      ? holds(compare, null)
      : entries.every((entry) => holds(compare, entry));
  }

  #span({ key, range_end: end }: { readonly key?: Buffer; readonly range_end?: Buffer }): Stored[] {
    const start = text(key);
    if (end !== undefined) return this.range(start, text(end));
    const entry = this.get(start);
    return entry === null ? [] : [entry];
  }

  #checkLeases(plan: Planned, leaseExists: (lease: string) => boolean): void {
    for (const [index, { request_put: put }] of plan.operations.entries()) {
      const nested = plan.nested[index];
      if (nested) this.#checkLeases(nested, leaseExists);
      if (put?.lease !== undefined && !leaseExists(String(put.lease))) {
        throw new EtcdRefusal(leaseNotFound);
      }
    }
  }

  #apply(plan: Planned, changes: Change[]): Omit<TxnResult, 'header'> {
    const responses = plan.operations.map((op, index) => {
      const nested = plan.nested[index];
      if (!nested) return this.#operate(op, changes);
      // Etcd fills in the outermost header alone.
      return response({ response_txn: { header: noHeader, ...this.#apply(nested, changes) } });
    });
    return { succeeded: plan.succeeded, responses };
  }

  #operate(op: Op, changes: Change[]): OpResult {
    const { request_range: range, request_put: put, request_delete_range: remove } = op;
    const next = this.revision + 1;
    const header = (): object => ({
      ...noHeader,
      revision: String(changes.length > 0 ? next : this.revision),
    });
    if (range !== undefined) {
      const all = this.#span(range);
      const limit = Number(range.limit ?? 0);
      const kvs = range.count_only === true ? [] : limit > 0 ? all.slice(0, limit) : all;
      return response({
        response_range: {
          header: header(),
          kvs: kvs.map(keyValue),
          more: range.count_only !== true && kvs.length < all.length,
          count: String(all.length),
        },
      });
    }
    if (put !== undefined) {
      const key = text(put.key);
      const before = this.get(key);
      const after: Stored = {
        key: put.key as Buffer,
        value: put.value ?? nothing,
        createRevision: before?.createRevision ?? next,
        modRevision: next,
        version: (before?.version ?? 0) + 1,
        lease: String(put.lease ?? '0'),
      };
      this.#keys.put(key, after);
      changes.push({ key, before, after });
      return response({ response_put: { header: header(), prev_kv: null } });
    }
    const gone = remove === undefined ? [] : this.#span(remove);
    for (const before of gone) {
      const key = before.key.toString('latin1');
      this.#keys.remove(key);
      changes.push({ key, before, after: null });
    }
    return response({
      response_delete_range: { header: header(), deleted: String(gone.length), prev_kvs: [] },
    });
  }

  header(): TxnResult['header'] {
    return {
      cluster_id: this.clusterId,
      member_id: '1',
      revision: String(this.revision),
      raft_term: '1',
    };
  }
}

interface Planned {
  readonly succeeded: boolean;
  readonly operations: readonly Op[];
  readonly nested: readonly (Planned | null)[];
}

/** Compares with a missing key: revisions and version count as 0, a value never holds. */
function holds(compare: Compare, entry: Stored | null): boolean {
  switch (compare.target) {
    case 'Create':
      return ordered(compare, entry?.createRevision ?? 0, Number(compare.create_revision));
    case 'Mod':
      return ordered(compare, entry?.modRevision ?? 0, Number(compare.mod_revision));
    default:
      return (
        entry !== null && ordered(compare, Buffer.compare(entry.value, compare.value ?? nothing), 0)
      );
  }
}

function ordered({ result }: Compare, left: number, right: number): boolean {
  return result === 'Equal' ? left === right : left < right;
}

function text(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : bytes.toString('latin1');
}

export function keyValue(entry: Stored): KeyValue {
  return {
    key: entry.key,
    value: entry.value,
    create_revision: String(entry.createRevision),
    mod_revision: String(entry.modRevision),
    version: String(entry.version),
    lease: entry.lease,
  };
}

/** etcd3 gives the one that there is; the type names all four. */
function response(one: object): OpResult {
  return one as OpResult;
}
