/**
 * What makes a service of the shop: its name, what it begins with, and what a branch of it does.
 */

import { type BranchRef, type Resource, type VoteReason, vote } from '../../src/participant.ts';
import type { StoredRecord, VersionedStore, WrittenVersions } from '../../src/versioned-store.ts';
import type { ServiceName } from './paths.ts';
import { Payload, PayloadError } from './payload.ts';

export type Seed = readonly (readonly [key: string, record: StoredRecord])[];

/** What a branch wants. */
export interface BranchWork {
  /** Every key that is written must be among them. */
  readonly keys: readonly string[];
  /** The versions that the transaction had read; 0 for a record that was not there. */
  readonly versions: ReadonlyMap<string, number>;
  /** Called with the keys locked and the versions compared: what to write, or why not. */
  readonly plan: (read: (key: string) => StoredRecord | null) => Plan;
}

export type Plan =
  | { readonly writes: ReadonlyMap<string, unknown> }
  | { readonly refused: VoteReason };

export interface ShopService {
  readonly name: ServiceName;
  readonly seed: Seed;
  /** What a branch with this payload does. Throws PayloadError where it cannot be read. */
  work(payload: Payload, branch: BranchRef): BranchWork;
}

/** What a service's store holds. */
export interface ServiceContent {
  /** By key. */
  readonly records: ReadonlyMap<string, StoredRecord>;
  readonly prepared: readonly BranchRef[];
}

/** A service that is open. */
export interface RunningService {
  readonly resource: Resource;
  close(): Promise<void>;
}

/** What every committed branch leaves behind in its store, under a key of its own. */
export interface Effect {
  readonly txid: string;
  readonly branch: string;
  readonly orderId: string | null;
}

/** The service on its store, as the SDK wants it. */
export function serviceResource(
  service: ShopService,
  store: VersionedStore,
): Resource<unknown, WrittenVersions> {
  return store.resource(async (tx, { payload }) => {
    let work: BranchWork;
    try {
      work = service.work(new Payload(payload), { txid: tx.txid, branch: tx.branch });
    } catch (error) {
      if (error instanceof PayloadError) return vote.abort(error.message);
      throw error;
    }
    const records = new Map<string, StoredRecord | null>();
    // In the same order for everyone: two branches in this store never wait for each other.
    for (const key of [...new Set(work.keys)].sort()) records.set(key, await tx.readForUpdate(key));
    for (const [key, version] of work.versions) await tx.expect(key, version);
    const plan = work.plan((key) => records.get(key) ?? null);
    if ('refused' in plan) return vote.abort(plan.refused.message, plan.refused);
    for (const [key, value] of plan.writes) await tx.write(key, value);
    return vote.commit();
  });
}

/** Under these, by txid, a branch writes what it did to records that others share. */
export function effectKey(prefix: string, { txid, branch }: BranchRef): string {
  return `${prefix}${txid}/${branch}`;
}

/** Work that makes one record, which must not be there yet. */
export function onceOnly(key: string, what: string, value: Effect): BranchWork {
  return {
    keys: [key],
    versions: new Map(),
    plan: (read) =>
      read(key) === null
        ? { writes: new Map([[key, value]]) }
        : { refused: { message: `There is ${what} already.` } },
  };
}
