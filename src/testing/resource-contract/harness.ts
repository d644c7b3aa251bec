/** What whoever runs the contract gives it. */
import type { BranchCall, HeldBranch, PrepareCall, PrepareResult } from '../../ports/resource.ts';

/** Values by key, all short text. */
export type Writes = Readonly<Record<string, string>>;

/** A resource that can list what it holds, as the contract asks. */
export interface ListingResource {
  /** As of `Resource`. */
  prepare(call: PrepareCall<unknown>): Promise<PrepareResult<unknown>> | PrepareResult<unknown>;
  /** As of `Resource`. */
  commit(call: BranchCall<unknown>): Promise<void> | void;
  /** As of `Resource`. */
  rollback(call: BranchCall<unknown>): Promise<void> | void;
  /** As of `Resource`. */
  inDoubt(): Promise<Iterable<HeldBranch>> | Iterable<HeldBranch>;
}

/** One resource on one set of durable data. All keys and values are short text. */
export interface ResourceHarness {
  /** Opens the resource on the data as the last `crash` left them; at first, on none. */
  start(): Promise<void>;
  /** The one that the last `start` opened. */
  readonly resource: ListingResource;
  /** The payload of a branch that writes these values, whatever was there before. */
  payloadThatWrites(writes: Writes): unknown;
  /** The payload of a branch that takes this key as a write would, and then votes `abort`. */
  payloadThatRefuses(key: string): unknown;
  /** What anybody outside of the transactions sees there now; null for nothing. */
  visible(key: string): Promise<string | null>;
  /**
   * Ends the resource's process or connections as kill -9 does, whatever is under way; nothing is
   * cleaned up. Calls that were under way reject with a `CrashedError`.
   */
  crash(): Promise<void>;
  /** Ends it and removes the data. */
  dispose(): Promise<void>;
}

/** Options of `resourceContract`. */
export interface ResourceContractOptions {
  /**
   * Two branches that write one key exclude each other. Default true; false for one that only adds.
   */
  readonly writesCompete?: boolean;
  /** The test framework's. Default: the global one. */
  readonly describe?: (name: string, body: () => void) => unknown;
  /** The test framework's. Default: the global one. */
  readonly it?: (name: string, body: () => Promise<void>) => unknown;
}

/** The process ended before it answered: whether the call had an effect is not known. */
export class CrashedError extends Error {
  /** Always this. */
  override readonly name = 'CrashedError';
}

/** Not by its class: there may be another copy of this module, and in jest another `Error`. */
export function isCrash(error: unknown): boolean {
  return (error as Partial<Error> | null)?.name === 'CrashedError';
}
