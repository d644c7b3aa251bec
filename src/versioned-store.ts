/** `verdict/versioned-store`: a durable key-value store that takes part in transactions. */
import './system/check-node.ts';

import type { VersionedStore, VersionedStoreOptions } from './resources/versioned-store/store.ts';
import { loadStore } from './store/native-package.ts';

export type { EncryptionKeys } from './ports/cipher.ts';
export type { StorePayload } from './resources/versioned-store/payload.ts';
export type {
  InitialRecord,
  StoredRecord,
} from './resources/versioned-store/records.ts';
export {
  type ConflictDetail,
  RefusedError,
} from './resources/versioned-store/refusals.ts';
export type {
  BranchRules,
  Enlister,
  ResultRules,
  StoreEnlistOptions,
  VersionedStore,
  VersionedStoreOptions,
  WrittenVersions,
} from './resources/versioned-store/store.ts';
export type { StoreTransaction } from './resources/versioned-store/work.ts';

/**
 * Opens the store in its directory, which belongs to one process at a time.
 *
 * Which isolation a transaction gets, whatever else it does elsewhere:
 *
 * - **Serializable**, where everything that it rests on is locked or stated in its branches: read
 *   through `StoreTransaction`, or read outside and stated with its version (`StorePayload.reads`,
 *   `StoreTransaction.expect`). All locks are kept until the decision, so at the decision all
 *   branches of the transaction hold all of theirs: it is as if it had happened then, at once. A
 *   version that was stated is compared under the lock, so what was read earlier is known to be
 *   what is there at that moment. Write skew - two transactions read the same two keys, and each
 *   writes another one - ends in `CONFLICT`, `DEADLOCK` or `LOCK_TIMEOUT` for one of them.
 * - **Read committed**, for whatever is read with `read` or `readMany` and not stated: it was
 *   committed, and may be outdated when the transaction decides. Write skew is possible then.
 * - With `readLocksUntil: 'vote'` a transaction is as serializable as above if every branch had all
 *   its locks before the commit was asked for, and only then. Branches that come as payloads lock
 *   at their prepare, so their read locks are always kept until the decision, also where they write
 *   nothing.
 *
 * `readMany` shows one store at one moment. Of a transaction over several stores an outside reader
 * may see one committed and the other not yet; a transaction that reads both does not.
 *
 * Rejects with an Error whose `name` is DirectoryLockedError (another process has it),
 * StorePlaceError, StoreFormatError, StoreUnreadableError or NativePackageError. The message says
 * what to do.
 *
 * ```ts
 * const stock = await openVersionedStore({
 *   dataDirectory: './data/stock',
 *   initial: [{ key: 'lamp', value: 10 }],
 * });
 * const resource = stock.resource<{ sku: string }, { left: number }>(async (tx, { payload }) => {
 *   const left = ((await tx.readForUpdate<number>(payload.sku))?.value ?? 0) - 1;
 *   if (left < 0) return vote.abort(`No ${payload.sku} left.`);
 *   await tx.write(payload.sku, left);
 *   return vote.commit({ left });
 * });
 * ```
 */
export async function openVersionedStore(options: VersionedStoreOptions): Promise<VersionedStore> {
  const { VersionedStore } = await loadStore(() => import('./resources/versioned-store/store.ts'));
  return VersionedStore.open(options);
}
