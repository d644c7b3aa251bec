/** Who decides a run that wrote to several databases: this process, or a cluster. */
import type { AbortReason } from '../core/catalogue.ts';
import type { Labels } from '../core/messages.ts';
import type { Txid } from '../core/txid.ts';
import type { OpenBranch } from '../resources/sql/open-branch.ts';
import type { CommitOrder } from './commit-order.ts';

export interface BeginRun {
  readonly timeoutMs: number;
  readonly labels?: Labels | undefined;
}

export type Decided =
  /** `applied` resolves when every database has committed. It never rejects. */
  | { readonly outcome: 'committed'; readonly applied: Promise<void> }
  | { readonly outcome: 'aborted'; readonly reason: AbortReason };

export interface BegunRun {
  readonly txid: Txid;
  /** Prepares all, decides durably, and has all end so. Rejects where the outcome is not known. */
  decide(prepared: ReadonlyMap<string, OpenBranch>, order: CommitOrder): Promise<Decided>;
  /** Nothing was given to decide. Never rejects. */
  leave(): Promise<void>;
}

export interface Coordination {
  /** Whose branches those of this process are, in that database. */
  instanceOf(database: string): string;
  begin(run: BeginRun): Promise<BegunRun>;
  /** Resolves when every database has done as decided. */
  whenSettled(txid: Txid, how: { readonly timeoutMs?: number }): Promise<void>;
  close(): Promise<void>;
}

/** Named at the points at which tests end the process. */
export type RunReached = (point: RunPoint | (string & {}), database?: string) => void;
export type RunPoint = 'work-done' | 'prepared' | 'committed' | 'committed-alone';
