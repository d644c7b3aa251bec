/** What makes a service of the shop: its name, what it begins with, and what a branch of it does. */

import { vote } from '../../src/participant.ts';
import type { BranchRef, Resource } from '../../src/ports/resource.ts';
import type { ServiceName } from './paths.ts';
import { Payload, PayloadError } from './payload.ts';
import type { StoredRecord } from './records.ts';
import type { BranchRequest, Prepared, VersionedStore } from './store.ts';

export type Seed = readonly (readonly [key: string, record: StoredRecord])[];
export type BranchWork = Pick<BranchRequest, 'keys' | 'versions' | 'plan'>;

export interface ShopService {
  readonly name: ServiceName;
  readonly seed: Seed;
  /** What a branch with this payload does. Throws PayloadError where it cannot be read. */
  work(payload: Payload, branch: BranchRef): BranchWork;
}

/** What every committed branch leaves behind in its store, under a key of its own. */
export interface Effect {
  readonly txid: string;
  readonly branch: string;
  readonly orderId: string | null;
}

/** What the vote brings back to the client. */
export type ServiceResult = { readonly versions: Readonly<Record<string, number>> };

/** The service on its store, as the SDK wants it. */
export function serviceResource(
  service: ShopService,
  store: VersionedStore,
): Resource<unknown, ServiceResult> {
  return {
    prepare: async ({ txid, branch, payload, signal }) => {
      let work: BranchWork;
      try {
        work = service.work(new Payload(payload), { txid, branch });
      } catch (error) {
        if (error instanceof PayloadError) return vote.abort(error.message);
        throw error;
      }
      const answer: Prepared = await store.prepare({ txid, branch, signal, ...work });
      if ('versions' in answer) return vote.commit({ versions: answer.versions });
      const { message, ...more } = answer.refused;
      return vote.abort(message, more);
    },
    commit: (branch) => store.commit(branch),
    rollback: (branch) => store.rollback(branch),
    inDoubt: () => store.inDoubt(),
  };
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
