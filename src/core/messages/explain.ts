/** What an operator asks about one transaction, and the reply. */
import type { AbortReason } from '../catalogue.ts';
import type { Txid } from '../txid.ts';
import type { BranchStatus, LockStatus } from './client.ts';
import type { Decision, ExplainedState, explanationSources, Labels, WaitKind } from './common.ts';

export interface Explain {
  readonly type: 'explain';
  readonly id: number;
  readonly txid: Txid;
}
export interface ExplainedEvent {
  /** After the begin; absent: not known when. */
  readonly atMs?: number;
  readonly text: string;
  readonly branch?: string;
}
export interface ExplainedWait {
  readonly for: WaitKind;
  readonly text: string;
  readonly participant?: string;
  readonly branch?: string;
  /** Of a lock: those in its way. */
  readonly txids?: readonly Txid[];
  readonly sinceMs?: number;
  readonly nextTryInMs?: number;
}
/** Times are milliseconds after the begin, as fractions. */
export interface ExplainedBranch extends BranchStatus {
  /** Whose it is: the instance that has it. */
  readonly instance?: string;
  readonly sentAfterMs?: number;
  readonly votedAfterMs?: number;
  readonly settledAfterMs?: number;
  readonly payloadBytes?: number;
  readonly resultBytes?: number;
  /** Whether someone is connected who can answer for it; absent: not known. */
  readonly connected?: boolean;
  readonly nextTryInMs?: number;
  /** What its participant says of it. */
  readonly says?: string;
}
export interface ExplanationSource {
  readonly source: (typeof explanationSources)[number];
  readonly node?: string;
  readonly participant?: string;
  readonly instance?: string;
  readonly ok: boolean;
  readonly text?: string;
}
/** All that is known of one transaction, in words: never a payload or a result. */
export interface Explanation {
  readonly txid: Txid;
  readonly state: ExplainedState;
  readonly decided: Decision | null;
  readonly attention: boolean;
  readonly summary: string;
  readonly events: readonly ExplainedEvent[];
  readonly waits: readonly ExplainedWait[];
  readonly advice: readonly string[];
  readonly branches: readonly ExplainedBranch[];
  readonly sources: readonly ExplanationSource[];
  readonly ageMs?: number;
  /** After the begin, as fractions. */
  readonly decidedAfterMs?: number;
  readonly timeoutMs?: number;
  readonly reason?: AbortReason;
  readonly requestId?: string;
  readonly labels?: Labels;
  readonly locks?: readonly LockStatus[];
  readonly lockGroup?: string;
}
export interface Explained extends Explanation {
  readonly type: 'explained';
  readonly id: number;
}
