/** What the operations of `verdict exec` are carried out on. */
import type { AbortReason } from '../../core/catalogue.ts';
import type { Outcome, TransactionStatus } from '../../core/messages.ts';
import type { Operation } from './parse-line.ts';

export interface DecidedOutcome {
  readonly outcome: Outcome;
  readonly reason?: AbortReason;
  /** What the participants brought back. */
  readonly results?: unknown;
}

export interface ExecTarget {
  begin(timeoutMs: number | null): Promise<string>;
  register(txid: string, given: Extract<Operation, { op: 'register' }>): Promise<void>;
  commit(txid: string): Promise<DecidedOutcome>;
  rollback(txid: string, reason: string | null): Promise<DecidedOutcome>;
  status(txid: string): Promise<TransactionStatus>;
  /** What is not decided is rolled back. */
  close(): Promise<void>;
}
